package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Asymmetric group quantization of keys and values (KIVI, arXiv 2402.02750); the arithmetic is that of {@code docs/format.md},
 * chapter "Codec payloads".
 */
public interface QuantKernel {
    /**
     * Quantizes a slice. Every byte of the three outputs is written, padding included.
     *
     * <p>A group that cannot be represented (a member is an infinity or NaN, or the decoded maximum would round to an infinity in
     * the parameter format) is counted; one with a member that is not finite, or is below the lowest finite value of the parameter
     * format, is written with zero point, step and codes 0.
     *
     * @param shape       the slice
     * @param rows        native segment with {@code shape.rowBytes()} bytes of rows
     * @param rowsOffset  bytes to the first row
     * @param codes       native segment for {@code shape.codeBytes()} bytes
     * @param codesOffset bytes to the first code unit
     * @param zeros       native segment for {@code shape.parameters()} zero points, 16 bits each
     * @param zerosOffset bytes to the first zero point
     * @param steps       native segment for as many steps
     * @param stepsOffset bytes to the first step
     * @return groups that cannot be represented; unless 0 the caller should store the slice another way
     * @throws IllegalArgumentException  if a segment is on the heap or an output read-only
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    long quantize(QuantShape shape, MemorySegment rows, long rowsOffset, MemorySegment codes, long codesOffset,
            MemorySegment zeros, long zerosOffset, MemorySegment steps, long stepsOffset);

    /**
     * Restores a slice: zero point + step * code, rounded to the format of the rows.
     *
     * @param shape       the slice
     * @param codes       native segment with {@code shape.codeBytes()} bytes
     * @param codesOffset bytes to the first code unit
     * @param zeros       native segment with {@code shape.parameters()} zero points
     * @param zerosOffset bytes to the first zero point
     * @param steps       native segment with as many steps
     * @param stepsOffset bytes to the first step
     * @param rows        native segment for {@code shape.rowBytes()} bytes of rows, apart from the inputs
     * @param rowsOffset  bytes to the first row
     * @throws IllegalArgumentException  if a segment is on the heap, the output read-only, or a parameter not finite
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    void dequantize(QuantShape shape, MemorySegment codes, long codesOffset, MemorySegment zeros, long zerosOffset,
            MemorySegment steps, long stepsOffset, MemorySegment rows, long rowsOffset);
}
