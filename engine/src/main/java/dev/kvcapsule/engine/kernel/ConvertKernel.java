package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** Conversion of contiguous values between a row format and binary32, in native little-endian memory of any alignment. */
public interface ConvertKernel {
    /**
     * Widens values to binary32, exactly (a signalling NaN may become quiet).
     *
     * @param type         format of the source
     * @param source       native segment
     * @param sourceOffset bytes to the first source value
     * @param target       native segment; must not overlap the source unless it is the same place and {@code type} is F32
     * @param targetOffset bytes to the first binary32
     * @param count        values, {@code >= 0}
     * @throws IllegalArgumentException  if a segment is on the heap or the target read-only
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    void toF32(ElementType type, MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count);

    /**
     * Rounds binary32 values half to even. Values beyond the range become infinities, NaN stays NaN (a bf16 NaN keeps its upper
     * payload and is made quiet; an f16 NaN is what the machine's {@link Float#floatToFloat16} gives). Arguments as for {@link #toF32}.
     *
     * @param type         format of the target
     * @param source       native segment of binary32 values
     * @param sourceOffset bytes to the first source value
     * @param target       native segment
     * @param targetOffset bytes to the first target value
     * @param count        values, {@code >= 0}
     */
    void fromF32(ElementType type, MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count);

    /**
     * {@return whether none of the values is an infinity or NaN}
     *
     * @param type    format of the values
     * @param segment native segment
     * @param offset  bytes to the first value
     * @param count   values, {@code >= 0}
     */
    boolean allFinite(ElementType type, MemorySegment segment, long offset, long count);
}
