package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Product of dense binary32 matrices, stored by rows: {@code c[i][j] += a[i][p] * b[p][j]} for p = 0, 1, ... in turn, each step a {@link Math#fma};
 * a result that is zero is +0. The sums are the same bits in every provider.
 */
public interface GemmKernel {
    /**
     * A matrix in memory, or its transpose.
     *
     * @param memory     native segment of little-endian binary32
     * @param offset     bytes to the first value
     * @param stride     floats from one stored row to the next
     * @param transposed whether element (i, j) is stored in row j, column i
     */
    record Operand(MemorySegment memory, long offset, long stride, boolean transposed) {
        /** Bytes to element (i, j). */
        long at(long i, long j) {
            return offset + 4 * (transposed ? j * stride + i : i * stride + j);
        }

        void check(int rows, int columns) {
            TransformBounds.checkMatrix(memory, offset, stride, transposed ? columns : rows, transposed ? rows : columns);
        }
    }

    /**
     * Adds a product.
     *
     * @param m       rows of a and c, {@code >= 0}
     * @param n       columns of b and c, {@code >= 0}
     * @param k       columns of a, rows of b, {@code >= 0}
     * @param a       m x k
     * @param b       k x n; in read-only memory only if that holds the same as long as it is open, so that a device may keep a copy
     * @param c       m x n, not transposed, apart from the inputs
     * @param scratch memory that no other thread uses meanwhile
     * @throws IllegalArgumentException  if a segment is on the heap, c read-only or transposed, or a stride too short
     * @throws IndexOutOfBoundsException if a matrix leaves its segment
     */
    void multiplyAdd(int m, int n, int k, Operand a, Operand b, Operand c, TransformScratch scratch);

    /**
     * Multiplies rows by a block-diagonal matrix: heads apart, each by a square matrix of its own, each sum from 0 in the order of {@link #multiplyAdd}.
     *
     * @param tokens  rows, {@code >= 0}
     * @param dims    columns of each block, in turn
     * @param rows    native segment, f32 {@code [tokens][sum of dims]}
     * @param blocks  native segment, f32 {@code [dim][dim]} for each block, one after the other; holds the same as long as it is open
     * @param out     receives as many rows, apart from them
     * @param scratch memory that no other thread uses meanwhile
     */
    default void multiplyBlocks(int tokens, int[] dims, MemorySegment rows, MemorySegment blocks, MemorySegment out, TransformScratch scratch) {
        int width = 0;
        for (int dim : dims) {
            width = Math.addExact(width, dim);
        }
        out.asSlice(0, 4L * tokens * width).fill((byte) 0);
        long column = 0;
        long block = 0;
        for (int dim : tokens == 0 ? new int[0] : dims) {
            multiplyAdd(tokens, dim, dim, new Operand(rows, 4 * column, width, false), new Operand(blocks, 4 * block, dim, false), new Operand(out, 4 * column, width, false), scratch);
            column += dim;
            block += (long) dim * dim;
        }
    }
}
