package dev.kvcapsule.serving.llamacpp;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Locale;

/** A position in a file of little-endian, packed fields; every read is checked against the file's real end first. */
final class Input {
    static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final MemorySegment file;
    private long offset;

    Input(MemorySegment file, long offset) {
        this.file = file;
        this.offset = offset;
    }

    MemorySegment file() {
        return file;
    }

    long offset() {
        return offset;
    }

    long remaining() {
        return file.byteSize() - offset;
    }

    int i32(String field) throws Broken {
        need(4, field);
        int value = file.get(I32, offset);
        offset += 4;
        return value;
    }

    /** An unsigned 32-bit field that has to lie in a range. */
    int u32(String field, int min, int max) throws Broken {
        need(4, field);
        int value = file.get(I32, offset);
        if (value < min || value > max) {
            throw new Broken(offset, field, "is " + Integer.toUnsignedString(value) + ", expected " + min + " to " + max);
        }
        offset += 4;
        return value;
    }

    /** An unsigned 64-bit field that has to lie in a range. */
    long u64(String field, long min, long max) throws Broken {
        need(8, field);
        long value = file.get(I64, offset);
        if (value < min || value > max) {
            throw new Broken(offset, field, "is " + Long.toUnsignedString(value) + ", expected " + min + " to " + max);
        }
        offset += 8;
        return value;
    }

    /** Passes over bytes, giving their offset. */
    long skip(long bytes, String field) throws Broken {
        need(bytes, field);
        long start = offset;
        offset += bytes;
        return start;
    }

    private void need(long bytes, String field) throws Broken {
        if (bytes < 0 || bytes > remaining()) {
            throw new Broken(offset, field, String.format(Locale.ROOT, "needs %d bytes, the file has %d more", bytes, remaining()));
        }
    }
}
