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
            while (!inflater.finished()) {
                // The end of a stream is read after its last byte.
                int more = done < count ? inflater.inflate(bytes, done, count - done) : inflater.inflate(new byte[1]);
                if (more > 0 ? done == count : !inflater.finished()) {
                    throw new MalformedDataException("compressed bytes are not those of " + count);
                }
                done += more;
            }
            if (done != count || inflater.getRemaining() > 0) {
                throw new MalformedDataException("compressed bytes end after " + done + " of " + count + ", or do not end");
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
