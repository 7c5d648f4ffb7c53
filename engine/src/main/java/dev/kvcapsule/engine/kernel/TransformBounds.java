package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** The boundary checks both forms of {@link TransformKernel} and {@link GemmKernel} share. */
final class TransformBounds {
    private TransformBounds() {}

    static void checkSynthesis(TransformBasis basis, MemorySegment coefficients, long from, long fromStride, MemorySegment rows, long to, long toStride,
            int tokens) {
        checkMatrix(coefficients, from, fromStride, tokens, basis.components());
        checkWritableMatrix(rows, to, toStride, tokens, basis.width());
    }

    static void checkAnalysis(TransformBasis basis, MemorySegment rows, long from, long fromStride, MemorySegment coefficients, long to, long toStride,
            int tokens) {
        checkMatrix(rows, from, fromStride, tokens, basis.width());
        checkWritableMatrix(coefficients, to, toStride, tokens, basis.components());
    }

    static void checkMatrix(MemorySegment matrix, long offset, long stride, int rows, int columns) {
        Bounds.check(matrix, offset, bytes(stride, rows, columns));
    }

    static void checkWritableMatrix(MemorySegment matrix, long offset, long stride, int rows, int columns) {
        Bounds.checkWritable(matrix, offset, bytes(stride, rows, columns));
    }

    private static long bytes(long stride, int rows, int columns) {
        if (rows < 0 || columns < 0 || stride < columns) {
            throw new IllegalArgumentException(rows + " rows of " + columns + " values, " + stride + " apart");
        }
        return rows == 0 || columns == 0 ? 0 : Math.multiplyExact(4L, Math.addExact(Math.multiplyExact(stride, rows - 1L), columns));
    }
}
