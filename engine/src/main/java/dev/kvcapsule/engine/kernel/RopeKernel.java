package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** Rotary position embedding of binary32 key rows in place, and its inverse (the conjugate rotation). */
public interface RopeKernel {
    /** Which dims of a head form a pair. */
    enum Pairing {
        /** (2i, 2i + 1). */
        INTERLEAVED,
        /** (i, i + dims / 2). */
        HALVES
    }

    /**
     * Rotates the first {@code 2 * table.pairs()} dims of every head of every row: (a, b) becomes (a cos - b sin, b cos + a sin), each
     * product and sum rounded to binary32; a result that is NaN is the canonical NaN.
     *
     * @param table    one row of cosines and sines a token
     * @param firstRow row of the table for the first token
     * @param rows     native segment of binary32 rows, tokens x heads x headDim
     * @param offset   bytes to the first row
     * @param tokens   rows to rotate, {@code >= 0}
     * @param heads    heads of a row, {@code >= 1}
     * @param headDim  channels of a head, {@code >= 2 * table.pairs()}
     * @param pairing  pairs (i, i + dims / 2) or (2i, 2i + 1)
     * @param inverse  whether to undo a rotation instead
     * @throws IllegalArgumentException  if the segment is on the heap or read-only, or a head is too narrow
     * @throws IndexOutOfBoundsException if a range leaves the segment or the table
     */
    void rotate(RopeTable table, int firstRow, MemorySegment rows, long offset, int tokens, int heads, int headDim, Pairing pairing,
            boolean inverse);
}
