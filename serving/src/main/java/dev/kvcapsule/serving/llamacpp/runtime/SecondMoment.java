package dev.kvcapsule.serving.llamacpp.runtime;

import java.util.Arrays;

/** A sum of outer products x x' in double precision, one vector of d channels after another, in constant memory. Not thread-safe. */
final class SecondMoment {
    private static final int LANES = 4;

    private final int dim;
    // The upper triangle alone is kept up to date.
    private final double[] sum;
    private final double[][] pending;
    private int waiting;

    SecondMoment(int dim) {
        this.dim = dim;
        sum = new double[Math.multiplyExact(dim, dim)];
        pending = new double[LANES][dim];
    }

    /** The next vector, to be filled before {@link #advance}. */
    double[] next() {
        return pending[waiting];
    }

    /** Takes the vector in {@link #next}. */
    void advance() {
        if (++waiting == LANES) {
            flush();
        }
    }

    /** Four vectors at once: the sums are read and written a quarter as often. */
    private void flush() {
        for (int lane = waiting; lane < LANES; lane++) {
            Arrays.fill(pending[lane], 0);
        }
        double[] a = pending[0];
        double[] b = pending[1];
        double[] c = pending[2];
        double[] d = pending[3];
        for (int i = 0; i < dim; i++) {
            addRow(i, a, b, c, d, a[i], b[i], c[i], d[i]);
        }
        waiting = 0;
    }

    private void addRow(int i, double[] a, double[] b, double[] c, double[] d, double ai, double bi, double ci, double di) {
        double[] into = sum;
        int row = i * dim;
        for (int j = i; j < dim; j++) {
            into[row + j] += ai * a[j] + bi * b[j] + ci * c[j] + di * d[j];
        }
    }

    /** The sum so far, [dim][dim], symmetric. */
    double[] matrix() {
        flush();
        double[] matrix = sum.clone();
        for (int i = 0; i < dim; i++) {
            for (int j = 0; j < i; j++) {
                matrix[i * dim + j] = matrix[j * dim + i];
            }
        }
        return matrix;
    }
}
