package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Projection of tokens on the components of a basis, and the way back. Every sum is a chain of {@link Math#fma} in a fixed order, so that results
 * do not depend on the provider, the vector width, or how tokens are cut into calls. A result that is zero is +0, which makes leaving out products
 * with zero exact.
 *
 * <p>All numbers must be finite. If a sum overflows, its value is not specified.
 */
public interface TransformKernel {
    /**
     * Adds components to rows: {@code y[t][w] += c[t][k] * u[k][w]} for k = 0, 1, ... in turn. Coefficients that are zero cost little.
     *
     * @param basis        {@code u}
     * @param coefficients native segment, f32 {@code [tokens][basis.components()]}
     * @param from         bytes to the first coefficient
     * @param fromStride   floats from one token's coefficients to the next's, {@code >= basis.components()}
     * @param rows         native segment, f32 {@code [tokens][basis.width()]}, apart from the inputs; the sums start from what it holds
     * @param to           bytes to the first row
     * @param toStride     floats from one row to the next, {@code >= basis.width()}
     * @param tokens       rows, {@code >= 0}; 64 or more at a time are fastest
     * @param scratch      memory that no other thread uses meanwhile
     * @throws IllegalArgumentException  if a segment is on the heap, the rows read-only, or a stride too short
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    void synthesize(TransformBasis basis, MemorySegment coefficients, long from, long fromStride, MemorySegment rows, long to, long toStride, int tokens,
            TransformScratch scratch);

    /**
     * Projects rows: {@code c[t][k]} = sum of {@code x[t][w] * u[k][w]} for w = 0, 1, ... in turn, from 0 on.
     *
     * @param basis        {@code u}
     * @param rows         native segment, f32 {@code [tokens][basis.width()]}
     * @param from         bytes to the first row
     * @param fromStride   floats from one row to the next, {@code >= basis.width()}
     * @param coefficients native segment, f32 {@code [tokens][basis.components()]}, apart from the inputs; written over
     * @param to           bytes to the first coefficient
     * @param toStride     floats from one token's coefficients to the next's, {@code >= basis.components()}
     * @param tokens       rows, {@code >= 0}; 64 or more at a time are fastest
     * @param scratch      memory that no other thread uses meanwhile
     * @throws IllegalArgumentException  if a segment is on the heap, the coefficients read-only, or a stride too short
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    void analyze(TransformBasis basis, MemorySegment rows, long from, long fromStride, MemorySegment coefficients, long to, long toStride, int tokens,
            TransformScratch scratch);
}
