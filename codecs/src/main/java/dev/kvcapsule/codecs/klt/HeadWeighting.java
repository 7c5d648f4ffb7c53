package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.GemmKernel.Operand;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A square matrix for each head, of either part: a row vector x of the head becomes x B on the way back, and x B^-1 on the way in.
 */
final class HeadWeighting implements Weighting {
    private final int[] dims;
    private final int width;
    private final MemorySegment backward;
    private final Arena arena;
    private MemorySegment forward;

    /**
     * @param dims channels of each head, in the order of the token vector
     * @param backward f32, a {@code [dim][dim]} matrix B for each head, invertible
     * @param arena lives as long as this
     */
    HeadWeighting(int[] dims, MemorySegment backward, Arena arena) {
        this.dims = dims;
        this.width = java.util.Arrays.stream(dims).sum();
        this.backward = backward;
        this.arena = arena;
    }

    /** Floats of all matrices. */
    static long floats(int[] dims) {
        long floats = 0;
        for (int dim : dims) {
            floats += (long) dim * dim;
        }
        return floats;
    }

    @Override
    public void prepareForward() {
        inverse();
    }

    @Override
    public void forward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch) {
        apply(kernels, inverse(), rows, tokens, out, scratch);
    }

    @Override
    public void backward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch) {
        apply(kernels, backward, rows, tokens, out, scratch);
    }

    private void apply(Kernels kernels, MemorySegment matrices, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch) {
        out.asSlice(0, 4L * tokens * width).fill((byte) 0);
        long column = 0;
        long matrix = 0;
        for (int dim : dims) {
            kernels.gemm().multiplyAdd(tokens, dim, dim, new Operand(rows, 4 * column, width, false), new Operand(matrices, 4 * matrix, dim, false),
                    new Operand(out, 4 * column, width, false), scratch);
            column += dim;
            matrix += (long) dim * dim;
        }
    }

    private synchronized MemorySegment inverse() {
        if (forward == null) {
            MemorySegment made = arena.allocate(4 * floats(dims), 64);
            long matrix = 0;
            for (int dim : dims) {
                double[][] inverse = SquareMatrix.inverse(SquareMatrix.read(backward, matrix, dim));
                SquareMatrix.write(inverse, made, matrix);
                matrix += (long) dim * dim;
            }
            forward = made;
        }
        return forward;
    }
}
