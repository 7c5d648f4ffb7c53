package dev.kvcapsule.engine.linalg;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/**
 * Randomized subspace iteration with a Rayleigh-Ritz step at its end, see {@link LinearAlgebra#largest}. A subspace somewhat larger than wanted is multiplied
 * by the matrix and made orthonormal again, in turn. Its energy, the trace of the matrix within it, can only grow.
 */
final class SubspaceIteration {
    private static final int MOST_ITERATIONS = 12;
    /** Iterations end when the energy grows by a smaller part. */
    private static final double ENOUGH = 1e-4;

    private final BlockedLinearAlgebra algebra;
    private final int n;
    private final int count;
    private final int size;
    private final ProgressListener listener;
    private MemorySegment single;
    private MemorySegment singleQ;
    private MemorySegment singleProduct;

    SubspaceIteration(BlockedLinearAlgebra algebra, int n, int count, ProgressListener listener) {
        this.algebra = algebra;
        this.n = n;
        this.count = count;
        this.size = size(n, count);
        this.listener = listener;
    }

    /** Dimensions of the subspace. */
    static int size(int n, int count) {
        return (int) Math.min(n, count + Math.max(16L, count / 8));
    }

    Eigen run(MemorySegment a, Arena vectors, MemorySegment rows) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment q = arena.allocate(8L * size * n, 64);
            MemorySegment product = arena.allocate(8L * size * n, 64);
            single = arena.allocate(4L * n * n, 64);
            singleQ = arena.allocate(4L * size * n, 64);
            singleProduct = arena.allocate(4L * size * n, 64);
            toSingle(a, single, (long) n * n);
            start(q);
            multiply(q, product);
            double energy = 0;
            int iteration = 0;
            boolean going = true;
            while (going) {
                iteration++;
                listener.update("subspace iteration " + iteration + (energy > 0 ? ", energy " + (float) energy : ""), Math.min(0.8, 0.15 * iteration));
                MemorySegment.copy(product, 0, q, 0, q.byteSize());
                algebra.orthonormalize(q, size, n);
                multiply(q, product);
                double captured = Matrices.dot(q, product, (long) size * n);
                going = captured - energy > ENOUGH * captured && iteration < MOST_ITERATIONS;
                energy = captured;
            }
            return ritz(arena, q, product, vectors, rows, iteration);
        }
    }

    /** In binary32, which is twice as fast: what its rounding adds is far below what the directions left out take away. */
    private void multiply(MemorySegment q, MemorySegment product) {
        toSingle(q, singleQ, (long) size * n);
        algebra.gemm(false, false, size, n, n, 1, singleQ, n, single, n, 0, singleProduct, n);
        for (long i = 0; i < (long) size * n; i++) {
            product.set(Matrices.F64, 8 * i, singleProduct.get(Matrices.F32, 4 * i));
        }
    }

    private static void toSingle(MemorySegment from, MemorySegment to, long count) {
        for (long i = 0; i < count; i++) {
            to.set(Matrices.F32, 4 * i, (float) from.get(Matrices.F64, 8 * i));
        }
    }

    /** Random signs: as good as Gaussian numbers, and the same on every machine. */
    private void start(MemorySegment q) {
        SplittableRandom random = new SplittableRandom(LinearAlgebra.SEED);
        long bits = 0;
        for (long i = 0; i < (long) size * n; i++) {
            bits = i % Long.SIZE == 0 ? random.nextLong() : bits >>> 1;
            q.set(Matrices.F64, 8 * i, (bits & 1) == 0 ? 1 : -1);
        }
    }

    private Eigen ritz(Arena arena, MemorySegment q, MemorySegment product, Arena vectors, MemorySegment rows, int iterations) {
        listener.update("eigenvectors within the subspace", 0.85);
        MemorySegment inner = arena.allocate(8L * size * size, 64);
        algebra.gemm64(false, true, size, size, n, 1, product, n, q, n, 0, inner, size);
        // Rounding has left it not quite symmetric.
        Matrices.mirror(inner, size);
        double[] ascending = algebra.solve(inner, size, ProgressListener.NONE);
        double[] values = new double[count];
        MemorySegment largest = inner.asSlice(8L * (size - count) * size);
        algebra.gemm64(false, false, count, n, size, 1, largest, size, q, n, 0, product, n);
        for (int i = 0; i < count; i++) {
            values[i] = ascending[size - 1 - i];
            Matrices.toOriented(product, count - 1 - i, rows, i, n);
        }
        listener.update("eigenvectors", 1);
        return new Eigen(vectors, values, rows, n, "subspace of " + size + " dimensions, " + iterations + " iterations");
    }
}
