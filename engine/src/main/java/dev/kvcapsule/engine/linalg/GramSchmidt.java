package dev.kvcapsule.engine.linalg;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Orthonormal rows by the Gram-Schmidt method, each row done twice, which is enough (W. Hoffmann, Computing 41, 1989). */
final class GramSchmidt {
    /** What is left of a unit vector that depended on those before it is rounding, and no direction. */
    private static final double NOTHING = 1e-10;

    private final double[][] rows;
    private final int n;

    GramSchmidt(int count, int n) {
        this.rows = new double[count][n];
        this.n = n;
    }

    void run(MemorySegment q) {
        int unit = 0;
        for (int i = 0; i < rows.length; i++) {
            MemorySegment.copy(q, Matrices.F64, 8L * i * n, rows[i], 0, n);
            // A dependent row gives way to the first unit vector that is none: there is one, since there are at most n rows.
            while (!normalize(rows[i]) || !project(i)) {
                Arrays.fill(rows[i], 0);
                rows[i][unit++] = 1;
            }
            MemorySegment.copy(rows[i], 0, q, Matrices.F64, 8L * i * n, n);
        }
    }

    private boolean project(int i) {
        for (int pass = 0; pass < 2; pass++) {
            for (int j = 0; j < i; j++) {
                double part = Tridiagonal.dot(rows[i], rows[j], 0, n);
                for (int k = 0; k < n; k++) {
                    rows[i][k] -= part * rows[j][k];
                }
            }
            if (Math.sqrt(Tridiagonal.dot(rows[i], rows[i], 0, n)) < NOTHING || !normalize(rows[i])) {
                return false;
            }
        }
        return true;
    }

    private static boolean normalize(double[] row) {
        double scale = 0;
        for (double value : row) {
            scale = Math.max(scale, Math.abs(value));
        }
        if (scale < Double.MIN_NORMAL) {
            return false;
        }
        for (int k = 0; k < row.length; k++) {
            row[k] /= scale;
        }
        double length = Math.sqrt(Tridiagonal.dot(row, row, 0, row.length));
        for (int k = 0; k < row.length; k++) {
            row[k] /= length;
        }
        return true;
    }
}
