package dev.kvcapsule.engine.linalg;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** One binary64 product, block by block on arrays: {@code c = alpha op(a) op(b) + beta c}. */
record Gemm64(boolean transposeA, boolean transposeB, double alpha, MemorySegment a, long lda, MemorySegment b, long ldb, double beta, MemorySegment c,
        long ldc) {
    /** Rows of op(b) in one array. */
    private static final int DEPTH = 128;
    /** Columns of op(b) in one array; half a megabyte with the above. */
    private static final int COLUMNS = 512;
    /** Rows of c whose sums share a reading of op(b). */
    private static final int ROWS = 4;

    void run(int m, int n, int k) {
        double[] block = new double[DEPTH * COLUMNS];
        double[][] sums = new double[ROWS][COLUMNS];
        double[] factors = new double[ROWS];
        for (int j = 0; j < n; j += COLUMNS) {
            int columns = Math.min(COLUMNS, n - j);
            for (int p = 0; p == 0 || p < k; p += DEPTH) {
                int depth = Math.min(DEPTH, k - p);
                load(p, j, depth, columns, block);
                for (int i = 0; i < m; i += ROWS) {
                    int rows = Math.min(ROWS, m - i);
                    begin(i, j, rows, columns, p == 0 ? beta : 1, sums);
                    for (int q = 0; q < depth; q++) {
                        for (int r = 0; r < ROWS; r++) {
                            factors[r] = r < rows ? alpha * element(a, lda, transposeA, i + r, p + q) : 0;
                        }
                        add(factors, block, q * COLUMNS, sums[0], sums[1], sums[2], sums[3], columns);
                    }
                    for (int r = 0; r < rows; r++) {
                        MemorySegment.copy(sums[r], 0, c, Matrices.F64, 8 * ((i + r) * ldc + j), columns);
                    }
                }
            }
        }
    }

    private void begin(int i, int j, int rows, int columns, double factor, double[][] sums) {
        for (int r = 0; r < rows; r++) {
            if (factor == 0) {
                // Not a product: c may hold anything.
                Arrays.fill(sums[r], 0, columns, 0);
            } else {
                MemorySegment.copy(c, Matrices.F64, 8 * ((i + r) * ldc + j), sums[r], 0, columns);
                for (int x = 0; x < columns; x++) {
                    sums[r][x] *= factor;
                }
            }
        }
    }

    private void load(int p, int j, int depth, int columns, double[] block) {
        for (int q = 0; q < depth; q++) {
            if (transposeB) {
                for (int x = 0; x < columns; x++) {
                    block[q * COLUMNS + x] = element(b, ldb, true, p + q, j + x);
                }
            } else {
                MemorySegment.copy(b, Matrices.F64, 8 * ((p + q) * ldb + j), block, q * COLUMNS, columns);
            }
        }
    }

    private static double element(MemorySegment matrix, long stride, boolean transposed, long i, long j) {
        return matrix.get(Matrices.F64, 8 * (transposed ? j * stride + i : i * stride + j));
    }

    private static void add(double[] factors, double[] block, int at, double[] s0, double[] s1, double[] s2, double[] s3, int columns) {
        double f0 = factors[0];
        double f1 = factors[1];
        double f2 = factors[2];
        double f3 = factors[3];
        for (int x = 0; x < columns; x++) {
            double value = block[at + x];
            s0[x] += f0 * value;
            s1[x] += f1 * value;
            s2[x] += f2 * value;
            s3[x] += f3 * value;
        }
    }
}
