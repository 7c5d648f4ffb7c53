package dev.kvcapsule.engine.linalg;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What follows from products, complete eigensystems and orthonormal bases, whoever computes those. */
public abstract class BlockedLinearAlgebra implements LinearAlgebra {
    /** Order up to which a complete solution takes seconds at most. */
    private static final int SMALL = 1024;
    /** Rows and columns of a block of a Gram matrix: its sums stay in the caches until they have been added. */
    private static final int BLOCK = 1024;

    /** A subspace of less than this part of the order is found sooner by iteration. */
    private static final int PART = 8;

    private final int completeOrder;

    /**
     * For subclasses.
     *
     * @param completeOrder order up to which a complete solution is better than the iteration where many eigenvectors are wanted
     */
    protected BlockedLinearAlgebra(int completeOrder) {
        this.completeOrder = completeOrder;
    }

    /**
     * All eigenpairs of a symmetric matrix.
     *
     * @param a        f64 {@code [n][n]}, both triangles; replaced by the eigenvectors, a unit vector a row, in the order of the eigenvalues
     * @param n        order
     * @param listener hears of progress
     * @return the eigenvalues, ascending
     * @throws ArithmeticException if the iteration does not converge
     */
    protected abstract double[] solve(MemorySegment a, int n, ProgressListener listener);

    /**
     * Replaces rows by orthonormal ones that span the same space, or a larger one if the rows depend on each other.
     *
     * @param q    f64 {@code [rows][n]}
     * @param rows rows, at most n
     * @param n    length of a row
     */
    protected abstract void orthonormalize(MemorySegment q, int rows, int n);

    /** What {@link #gemm} and {@link #gemm64}, whose elements have {@code bytes} bytes, have to check. */
    protected static void checkProduct(boolean transposeA, boolean transposeB, int m, int n, int k, MemorySegment a, int lda, MemorySegment b, int ldb,
            MemorySegment c, int ldc, int bytes) {
        Matrices.check(a, transposeA ? k : m, transposeA ? m : k, lda, bytes);
        Matrices.check(b, transposeB ? n : k, transposeB ? k : n, ldb, bytes);
        Matrices.checkWritable(c, m, n, ldc, bytes);
    }

    @Override
    public final void accumulateGram(MemorySegment x, long rows, int n, MemorySegment c) {
        if (n < 1) {
            throw new IllegalArgumentException("a Gram matrix of order " + n);
        }
        Matrices.check(x, rows, n, n, Float.BYTES);
        Matrices.checkWritable(c, n, n, n, Double.BYTES);
        try (Arena arena = Arena.ofShared()) {
            int block = Math.min(n, BLOCK);
            MemorySegment sums = arena.allocate((long) Float.BYTES * block * block, 64);
            for (long r = 0; r < rows; r += GRAM_ROWS) {
                MemorySegment some = x.asSlice(4 * r * n);
                int count = (int) Math.min(GRAM_ROWS, rows - r);
                for (int i = 0; i < n; i += BLOCK) {
                    for (int j = i; j < n; j += BLOCK) {
                        addBlock(some, count, n, i, j, sums, c);
                    }
                }
            }
        }
    }

    private void addBlock(MemorySegment x, int rows, int n, int i, int j, MemorySegment sums, MemorySegment c) {
        int height = Math.min(BLOCK, n - i);
        int width = Math.min(BLOCK, n - j);
        gemm(true, false, height, width, rows, 1, x.asSlice(4L * i), n, x.asSlice(4L * j), n, 0, sums, width);
        for (int r = 0; r < height; r++) {
            long from = 4L * r * width;
            long to = 8 * ((long) (i + r) * n + j);
            for (int s = i == j ? r : 0; s < width; s++) {
                c.set(Matrices.F64, to + 8L * s, c.get(Matrices.F64, to + 8L * s) + sums.get(Matrices.F32, from + 4L * s));
            }
        }
    }

    @Override
    public final Eigen largest(MemorySegment a, int n, int count, ProgressListener listener) {
        if (n < 1 || count < 1 || count > n) {
            throw new IllegalArgumentException(count + " eigenpairs of a matrix of order " + n);
        }
        Matrices.checkWritable(a, n, n, n, Double.BYTES);
        listener.update("reading the matrix", 0);
        Matrices.mirror(a, n);
        Arena vectors = Arena.ofShared();
        try {
            MemorySegment rows = vectors.allocate(4L * count * n, 64);
            return isComplete(n, SubspaceIteration.size(n, count)) ? complete(a, n, count, vectors, rows, listener)
                    : new SubspaceIteration(this, n, count, listener).run(a, vectors, rows);
        } catch (RuntimeException | Error e) {
            vectors.close();
            throw e;
        }
    }

    private boolean isComplete(int n, int size) {
        return n <= SMALL || 2L * size > n || n <= completeOrder && (long) PART * size > n;
    }

    private Eigen complete(MemorySegment a, int n, int count, Arena vectors, MemorySegment rows, ProgressListener listener) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment work = arena.allocate(8L * n * n, 64).copyFrom(a.asSlice(0, 8L * n * n));
            double[] ascending = solve(work, n, listener);
            double[] values = new double[count];
            for (int i = 0; i < count; i++) {
                values[i] = ascending[n - 1 - i];
                Matrices.toOriented(work, n - 1 - i, rows, i, n);
            }
            listener.update("eigenvectors", 1);
            return new Eigen(vectors, values, rows, n, "complete solution");
        }
    }
}
