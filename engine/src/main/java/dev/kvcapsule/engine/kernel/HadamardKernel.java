package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Quantization of heads after a random Hadamard rotation (TurboQuant, arXiv 2504.19874; QuIP#, arXiv 2402.04396, for the rotation);
 * the arithmetic is that of {@code docs/format.md}, chapter "Codec payloads".
 */
public interface HadamardKernel {
    /**
     * Writes the means that a centered slice is encoded with, as {@link ChannelMeans#write}.
     *
     * @param shape       the slice
     * @param rows        native segment with {@code shape.rowBytes()} bytes of rows
     * @param rowsOffset  bytes to the first row
     * @param means       native segment for {@code shape.channels()} 16-bit means
     * @param meansOffset bytes to the first mean
     * @throws IllegalArgumentException  if a segment is on the heap or the output read-only
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    default void means(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset) {
        ChannelMeans.write(shape, rows, rowsOffset, means, meansOffset);
    }

    /**
     * Encodes a slice. Every byte of the outputs is written, padding included.
     *
     * @param shape       the slice
     * @param rows        native segment with {@code shape.rowBytes()} bytes of rows
     * @param rowsOffset  bytes to the first row
     * @param means       native segment with {@code shape.channels()} 16-bit means; not read unless {@code shape.centered()}
     * @param meansOffset bytes to the first mean
     * @param codes       native segment for {@code shape.codeBytes()} bytes
     * @param codesOffset bytes to the first code unit
     * @param gains       native segment for {@code shape.gains()} gains, 16 bits each, token by token
     * @param gainsOffset bytes to the first gain
     * @return heads whose energy is not finite or too large for the parameter format; they are written with gain 0, and unless the
     *         count is 0 the caller should store the slice another way
     * @throws IllegalArgumentException  if a segment is on the heap, an output read-only, or a mean not finite
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    long encode(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset,
            MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset);

    /**
     * Restores a slice.
     *
     * @param shape       the slice
     * @param codes       native segment with {@code shape.codeBytes()} bytes
     * @param codesOffset bytes to the first code unit
     * @param gains       native segment with {@code shape.gains()} gains
     * @param gainsOffset bytes to the first gain
     * @param means       native segment with the means; not read unless {@code shape.centered()}
     * @param meansOffset bytes to the first mean
     * @param rows        native segment for {@code shape.rowBytes()} bytes of rows, apart from the inputs
     * @param rowsOffset  bytes to the first row
     * @throws IllegalArgumentException  if a segment is on the heap, the output read-only, or a gain or mean not finite
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    void decode(RotationShape shape, MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset,
            MemorySegment means, long meansOffset, MemorySegment rows, long rowsOffset);
}
