package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A square matrix for each head, of either part: a row vector x of the head becomes x B on the way back, and x B^-1 on the way in.
 */
final class HeadWeighting implements Weighting {
    private final int[] dims;
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
        kernels.gemm().multiplyBlocks(tokens, dims, rows, inverse(), out, scratch);
    }

    @Override
    public void backward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch) {
        kernels.gemm().multiplyBlocks(tokens, dims, rows, backward, out, scratch);
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
            forward = made.asReadOnly();
        }
        return forward;
    }
}
