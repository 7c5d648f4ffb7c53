package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.seal.ChunkRef;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;

/** Sends parts while they are made. Nothing is sent before the first of them is: what fails until then is answered with its reason. */
final class PartsDownload implements IncrementalEncoder.Output {
    private final WritableByteChannel out;
    private Parts.Writer parts;

    PartsDownload(WritableByteChannel out) {
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
    public void tail(MemorySegment bytes) throws IOException {
        parts().part(new Parts.Header(Parts.Type.TAIL, bytes.byteSize()), bytes);
    }

    /** @return bytes of all */
    long end() throws IOException {
        return parts().end();
    }
}
