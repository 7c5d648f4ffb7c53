package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.SealClaims;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;

/** Writes parts while they are made, chunks first. Nothing is written before the first of them is: what fails until then can still be answered with its reason. */
public final class PartsOutput implements IncrementalEncoder.Output {
    private final WritableByteChannel out;
    private Parts.Writer parts;

    /** @param out takes them; stays the caller's */
    public PartsOutput(WritableByteChannel out) {
        this.out = out;
    }

    private Parts.Writer parts() throws IOException {
        if (parts == null) {
            parts = new Parts.Writer(out);
        }
        return parts;
    }

    @Override
    public void chunk(ChunkRef chunk, MemorySegment bytes) throws IOException {
        parts().part(new Parts.Header(Parts.Type.CHUNK, bytes.byteSize(), chunk.key(), chunk.expires()), bytes);
    }

    @Override
    public void tail(SealClaims claims, MemorySegment bytes) throws IOException {
        parts().part(new Parts.Header(Parts.Type.TAIL, bytes.byteSize()), bytes);
    }

    /** Says that this was all. @return bytes of all */
    public long end() throws IOException {
        return parts().end();
    }
}
