package dev.kvcapsule.engine.linalg;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;

/** Symmetric positive semidefinite matrices, upper triangles only, and what must hold of their eigenpairs. */
final class Psd {
    private Psd() {}

    /** Gram matrix of random vectors; what is below the diagonal is no number. */
    static MemorySegment ofRank(Arena arena, int n, int rank, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        double[][] x = new double[rank][n];
        for (double[] row : x) {
            for (int i = 0; i < n; i++) {
                row[i] = random.nextDouble() - 0.5;
            }
        }
        MemorySegment a = arena.allocate(8L * n * n);
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (double[] row : x) {
                    sum += row[i] * row[j];
                }
                a.set(Matrices.F64, 8L * (i * n + j), j < i ? Double.NaN : sum);
            }
        }
        return a;
    }

    /** With the eigenvalues 1, ratio, ratio^2, ... and the vectors of a cosine transform. */
    static MemorySegment decaying(Arena arena, int n, double ratio) {
        int terms = Math.min(n, 120);
        double[][] vectors = new double[terms][n];
        for (int k = 0; k < terms; k++) {
            for (int i = 0; i < n; i++) {
                vectors[k][i] = Math.sqrt((k == 0 ? 1.0 : 2.0) / n) * Math.cos(Math.PI * k * (i + 0.5) / n);
            }
        }
        MemorySegment a = arena.allocate(8L * n * n);
        double[] row = new double[n];
        for (int i = 0; i < n; i++) {
            Arrays.fill(row, 0);
            for (int k = 0; k < terms; k++) {
                double factor = Math.pow(ratio, k) * vectors[k][i];
                for (int j = 0; j < n; j++) {
                    row[j] += factor * vectors[k][j];
                }
            }
            MemorySegment.copy(row, 0, a, Matrices.F64, 8L * i * n, n);
        }
        return a;
    }

    /** Order, orthonormality, sign, and residuals as parts of the largest eigenvalue. */
    static void check(MemorySegment a, int n, Eigen eigen, double tolerance) {
        double[][] vectors = new double[eigen.count()][n];
        for (int k = 0; k < eigen.count(); k++) {
            double largest = 0;
            for (int i = 0; i < n; i++) {
                vectors[k][i] = eigen.vectors().get(Matrices.F32, 4L * ((long) k * n + i));
                largest = Math.abs(vectors[k][i]) > Math.abs(largest) ? vectors[k][i] : largest;
            }
            assertTrue(largest > 0, "sign of vector " + k);
            assertTrue(k == 0 || eigen.value(k) <= eigen.value(k - 1), "order");
        }
        double[] row = new double[n];
        double[][] products = new double[eigen.count()][n];
        for (int i = 0; i < n; i++) {
            MemorySegment.copy(a, Matrices.F64, 8L * i * n, row, 0, n);
            for (int k = 0; k < eigen.count(); k++) {
                products[k][i] = Tridiagonal.dot(row, vectors[k], 0, n);
            }
        }
        for (int k = 0; k < eigen.count(); k++) {
            double residual = 0;
            for (int i = 0; i < n; i++) {
                residual += Math.pow(products[k][i] - eigen.value(k) * vectors[k][i], 2);
            }
            assertTrue(Math.sqrt(residual) <= tolerance * Math.max(1e-30, eigen.value(0)), "residual " + Math.sqrt(residual) + " of vector " + k);
            for (int j = 0; j <= k; j++) {
                assertEquals(j == k ? 1 : 0, Tridiagonal.dot(vectors[j], vectors[k], 0, n), 2e-6);
            }
        }
    }
}
