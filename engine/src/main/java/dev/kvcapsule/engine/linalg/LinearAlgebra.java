package dev.kvcapsule.engine.linalg;

import java.lang.foreign.MemorySegment;

/**
 * Dense linear algebra over native segments of little-endian numbers, matrices stored by rows. Results depend on the implementation, on the machine
 * and on the number of threads in their last bits; with those three fixed they are the same in every run. Methods may be called from any thread;
 * they use {@link #threads} threads each.
 */
public interface LinearAlgebra {
    /** Rows that {@link #accumulateGram} sums up in binary32 before it goes on in binary64. */
    int GRAM_ROWS = 4096;

    /** Seed of the random start of {@link #largest}. */
    long SEED = 0x6b6c74L;

    /** Short name in lower case. */
    String name();

    /** Version, build and kind of processor, for people. */
    String description();

    /** Threads a call uses at most. */
    int threads();

    /**
     * Product of binary32 matrices: {@code c = alpha op(a) op(b) + beta c}; with {@code beta = 0} c is not read.
     *
     * @param transposeA whether a is stored as its transpose, k x m
     * @param transposeB whether b is stored as its transpose, n x k
     * @param m          rows of op(a) and c, {@code >= 0}
     * @param n          columns of op(b) and c, {@code >= 0}
     * @param k          columns of op(a), rows of op(b), {@code >= 0}
     * @param alpha      factor of the product
     * @param a          native segment that begins with the matrix, f32
     * @param lda        values from one stored row of a to the next
     * @param b          native segment that begins with the matrix, f32
     * @param ldb        values from one stored row of b to the next
     * @param beta       factor of c
     * @param c          native segment that begins with the matrix, f32, apart from the inputs
     * @param ldc        values from one row of c to the next
     * @throws IllegalArgumentException  if a segment is on the heap, c read-only, or a stride too short
     * @throws IndexOutOfBoundsException if a matrix leaves its segment
     */
    void gemm(boolean transposeA, boolean transposeB, int m, int n, int k, float alpha, MemorySegment a, int lda, MemorySegment b, int ldb, float beta,
            MemorySegment c, int ldc);

    /** As {@link #gemm} for binary64. */
    void gemm64(boolean transposeA, boolean transposeB, int m, int n, int k, double alpha, MemorySegment a, int lda, MemorySegment b, int ldb, double beta,
            MemorySegment c, int ldc);

    /**
     * Adds the Gram matrix of some rows: {@code c += x^T x}. Sums of at most {@value #GRAM_ROWS} rows are binary32, whose sums are binary64: the
     * relative error does not grow with the number of rows, so that c may collect billions of them over any number of calls.
     *
     * @param x    native segment, f32 {@code [rows][n]}
     * @param rows rows, {@code >= 0}
     * @param n    columns, {@code >= 1}
     * @param c    native segment, f64 {@code [n][n]}, of which the upper triangle (column >= row) is added to; what lies below is not touched
     * @throws IllegalArgumentException  if a segment is on the heap or c read-only
     * @throws IndexOutOfBoundsException if a segment is too short
     */
    void accumulateGram(MemorySegment x, long rows, int n, MemorySegment c);

    /**
     * The largest eigenvalues and their eigenvectors of a symmetric positive semidefinite matrix, such as a Gram matrix. Matrices of moderate order are solved
     * completely (eigenvalues to some units in the last place of the largest; with OpenBLAS up to order 16,384), unless less than some eighth of the
     * eigenvectors is wanted: then, and for larger orders unless about half is wanted, the leading subspace is found by randomized subspace iteration
     * (N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Review 53, 2011, algorithm 4.4 and section 5.3) from a fixed seed,
     * until an iteration adds less than one part in 10,000 to the energy that it captures, or 12 times: the sum of eigenvalues is then near the largest that
     * count vectors can have (measured: 0.9999 of it where eigenvalue i is 1/i, 0.999 where it is 1/sqrt(i)), while vectors of near-equal eigenvalues are still
     * mixed. Takes memory for about 3 n^2 doubles besides the matrix if solved completely, else for 2.3 n count + 1.3 count^2.
     *
     * @param a        native segment, f64 {@code [n][n]}, finite; the upper triangle is read, and copied into the lower one
     * @param n        order, {@code >= 1}
     * @param count    eigenpairs wanted, from 1 to n
     * @param listener hears of progress
     * @throws IllegalArgumentException  if the segment is on the heap or read-only, a number is out of range, or an element not finite
     * @throws IndexOutOfBoundsException if the segment is too short
     * @throws ArithmeticException       if the iteration does not converge
     */
    Eigen largest(MemorySegment a, int n, int count, ProgressListener listener);
}
