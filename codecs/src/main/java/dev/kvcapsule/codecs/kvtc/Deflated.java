package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** DEFLATE in the zlib format (RFC 1950). For one thread. */
final class Deflated implements AutoCloseable {
    private final Deflater deflater = new Deflater(Deflater.BEST_COMPRESSION);
    private final Inflater inflater = new Inflater();

    /** An upper bound, with room for implementations of zlib that store more cautiously than others. */
    static long maxBytes(long count) {
        return count + (count >> 3) + 1024;
    }

    /** Compresses the first {@code count} bytes. @return bytes written from the start of {@code out} */
    long compress(byte[] bytes, int count, MemorySegment out) {
        deflater.reset();
        deflater.setInput(bytes, 0, count);
        deflater.finish();
        int written = deflater.deflate(out.asByteBuffer());
        if (!deflater.finished()) {
            throw new IllegalStateException("zlib made " + count + " bytes larger than " + maxBytes(count));
        }
        return written;
    }

    /** Restores exactly {@code count} bytes. */
    void expand(MemorySegment in, byte[] bytes, int count) throws MalformedDataException {
        inflater.reset();
        inflater.setInput(in.asByteBuffer());
        try {
            int done = 0;
            // A stream of nothing still has an end to be read.
            for (int more = -1; !inflater.finished() && more != 0; done += more) {
                more = inflater.inflate(bytes, done, count - done);
                if (more == 0 && done == count && !inflater.finished()) {
                    more = inflater.inflate(new byte[1]);
                }
            }
            if (done != count || !inflater.finished() || inflater.getRemaining() > 0) {
                throw new MalformedDataException("compressed bytes do not give the " + count + " that belong here");
            }
        } catch (DataFormatException e) {
            throw new MalformedDataException("compressed bytes: " + e.getMessage());
        }
    }

    @Override
    public void close() {
        deflater.close();
        inflater.close();
    }
}
