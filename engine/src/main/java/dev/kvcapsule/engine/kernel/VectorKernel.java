package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/**
 * What transform codecs do to token vectors and their coefficients, element by element: binary32, each operation rounded. Matrices are stored by rows, in memory that the kernel works on or the host's.
 * Results are the same bits in every implementation. Implementations are stateless and safe for concurrent use.
 */
public interface VectorKernel {
    /** An operation on an element and its column's number. */
    enum Step { ADD, SUBTRACT, MULTIPLY, DIVIDE }

    /**
     * Combines each row with one row.
     *
     * @param rows f32 {@code [tokens][operand.length]}
     * @param operand what is added, subtracted, multiplied with, or divided by
     * @param out receives as many; may be {@code rows}
     */
    void combine(Step step, MemorySegment rows, int tokens, float[] operand, MemorySegment out);

    /** Sets each row to the same one: f32 {@code [tokens][row.length]}. */
    void spread(float[] row, int tokens, MemorySegment rows);

    /** {@code minuend - row} for each row of {@code width} numbers, in place. */
    void subtractFrom(MemorySegment minuend, MemorySegment rows, int tokens, int width);

    /** The first {@code count} of each {@code stride} numbers with the other sign, in place. */
    void negate(MemorySegment rows, int tokens, int stride, int count);

    /** Sums of all squares, binary64: in a row as four stripes, what is left over added to the first; these as (0 + 1) + (2 + 3); rows in turn. */
    double squares(MemorySegment rows, int tokens, int width);

    /**
     * Sums of the squares of each head's channels, in turn.
     *
     * @param rows f32 {@code [tokens][width]}, width being the sum of {@code headDims}
     * @param sums receives {@code [tokens][headDims.length]}
     */
    void headSquares(MemorySegment rows, int tokens, int[] headDims, float[] sums);

    /** Takes columns out: {@code out[t][i] = rows[t][columns[i]]} for the first {@code count} columns, f32 {@code [tokens][stride]} to {@code [tokens][count]}. */
    void takeColumns(MemorySegment rows, int tokens, int stride, int[] columns, int count, MemorySegment out);

    /** Adds to columns, which differ: {@code rows[t][columns[i]] += addends[t][i]}. */
    void addToColumns(MemorySegment addends, int tokens, int stride, int[] columns, int count, MemorySegment rows);

    /**
     * Rounds {@code value * (1 / steps[token])}, half to even.
     *
     * @param values f32 {@code [tokens][components]}
     * @param codes receives int32 {@code [tokens][components]}; anything if one would be too large
     * @return number of the last component that is not always 0, plus 1; or -1 if a product is no number of magnitude below {@link CoefficientKernel#MAX_MAGNITUDE}
     */
    int quantize(MemorySegment values, int tokens, int components, float[] steps, MemorySegment codes);

    /** {@code code * steps[token]}: int32 {@code [tokens][components]} to f32. */
    void restore(MemorySegment codes, int tokens, int components, float[] steps, MemorySegment values);
}
