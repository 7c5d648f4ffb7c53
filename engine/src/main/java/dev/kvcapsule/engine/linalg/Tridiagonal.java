package dev.kvcapsule.engine.linalg;

import java.util.Arrays;

/**
 * A symmetric matrix reduced to tridiagonal form by Householder reflections, {@code A = Q T Q^T} (G. H. Golub, C. F. Van Loan, "Matrix Computations",
 * section 8.3.1). All inner loops run along rows and add multiples, which C2 vectorizes; a sum of products it does not.
 */
final class Tridiagonal {
    private final int n;
    /** Row k holds reflection vector k from column k + 1 on. */
    private final double[][] rows;
    private final double[] factors;
    private final double[] diagonal;
    private final double[] besides;

    /** Reduces a matrix, both triangles of which are given, and keeps it to itself. */
    Tridiagonal(double[][] matrix) {
        rows = matrix;
        n = matrix.length;
        factors = new double[n];
        diagonal = new double[n];
        besides = new double[n];
        double[] product = new double[n];
        for (int k = 0; k < n; k++) {
            diagonal[k] = rows[k][k];
            if (k + 1 < n) {
                reflect(k);
                if (factors[k] != 0) {
                    update(k, product);
                }
            }
        }
    }

    /** Diagonal of T. */
    double[] diagonal() {
        return diagonal;
    }

    /** Element i is T[i][i + 1]; the last is 0. */
    double[] besides() {
        return besides;
    }

    /** Replaces an eigenvector of T by that of A. */
    void transformBack(double[] vector) {
        for (int k = n - 2; k >= 0; k--) {
            if (factors[k] != 0) {
                double[] v = rows[k];
                add(-factors[k] * dot(v, vector, k + 1, n), v, vector, k + 1, n);
            }
        }
    }

    /** Makes the vector v and the factor b of the reflection I - b v v^T that turns the rest of row k into (besides, 0, ..., 0). */
    private void reflect(int k) {
        double[] v = rows[k];
        double scale = 0;
        for (int i = k + 1; i < n; i++) {
            scale = Math.max(scale, Math.abs(v[i]));
        }
        double tail = 0;
        for (int i = k + 2; i < n; i++) {
            tail += scale == 0 ? 0 : (v[i] / scale) * (v[i] / scale);
        }
        if (tail == 0) {
            besides[k] = v[k + 1];
            return;
        }
        double head = v[k + 1] / scale;
        double length = -Math.copySign(Math.sqrt(head * head + tail), head);
        for (int i = k + 1; i < n; i++) {
            v[i] /= scale;
        }
        v[k + 1] = head - length;
        besides[k] = length * scale;
        factors[k] = -1 / (length * v[k + 1]);
    }

    /** A - v w^T - w v^T with w = p - b (p v) v / 2, p = b A v. */
    private void update(int k, double[] product) {
        double[] v = rows[k];
        Arrays.fill(product, k + 1, n, 0);
        for (int i = k + 1; i < n; i++) {
            add(factors[k] * v[i], rows[i], product, k + 1, n);
        }
        add(-0.5 * factors[k] * dot(product, v, k + 1, n), v, product, k + 1, n);
        for (int i = k + 1; i < n; i++) {
            subtract(rows[i], v[i], product, product[i], v, k + 1, n);
        }
    }

    private static void add(double factor, double[] from, double[] to, int start, int end) {
        for (int i = start; i < end; i++) {
            to[i] += factor * from[i];
        }
    }

    private static void subtract(double[] row, double a, double[] first, double b, double[] second, int start, int end) {
        for (int i = start; i < end; i++) {
            row[i] -= a * first[i] + b * second[i];
        }
    }

    /** Four chains, so that additions need not wait for each other. */
    static double dot(double[] a, double[] b, int start, int end) {
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        int i = start;
        for (; i <= end - 4; i += 4) {
            s0 += a[i] * b[i];
            s1 += a[i + 1] * b[i + 1];
            s2 += a[i + 2] * b[i + 2];
            s3 += a[i + 3] * b[i + 3];
        }
        for (; i < end; i++) {
            s0 += a[i] * b[i];
        }
        return s0 + s1 + (s2 + s3);
    }
}
