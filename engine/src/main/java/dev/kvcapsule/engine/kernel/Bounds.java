package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;

/** The checks every kernel makes once, before its loops, and the little-endian layouts it then uses. */
final class Bounds {
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Bounds() {}

    /**
     * Checks that {@code length} bytes from {@code offset} lie in a native segment.
     *
     * @throws IllegalArgumentException  if the segment is on the heap
     * @throws IndexOutOfBoundsException if the range leaves the segment
     */
    static void check(MemorySegment segment, long offset, long length) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException("kernels take native segments only; copy heap data in first");
        }
        Objects.checkFromIndexSize(offset, length, segment.byteSize());
    }

    /** Checks that the destination can be written and is large enough, as {@link #check}. */
    static void checkWritable(MemorySegment segment, long offset, long length) {
        check(segment, offset, length);
        if (segment.isReadOnly()) {
            throw new IllegalArgumentException("destination segment is read-only");
        }
    }
}
