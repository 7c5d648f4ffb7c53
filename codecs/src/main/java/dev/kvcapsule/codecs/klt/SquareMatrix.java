package dev.kvcapsule.codecs.klt;

import java.lang.foreign.MemorySegment;

/** Small square matrices in binary64: those of heads. */
final class SquareMatrix {
    private SquareMatrix() {}

    /** @param at index of the first float */
    static double[][] read(MemorySegment floats, long at, int n) {
        double[][] matrix = new double[n][n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                matrix[i][j] = floats.get(Transform.FLOAT, 4 * (at + (long) i * n + j));
            }
        }
        return matrix;
    }

    /** @param at index of the first float */
    static void write(double[][] matrix, MemorySegment floats, long at) {
        int n = matrix.length;
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                floats.set(Transform.FLOAT, 4 * (at + (long) i * n + j), (float) matrix[i][j]);
            }
        }
    }

    /**
     * By Gauss-Jordan elimination with partial pivots.
     *
     * @throws ArithmeticException if the matrix is singular
     */
    static double[][] inverse(double[][] matrix) {
        int n = matrix.length;
        double[][] rest = new double[n][];
        double[][] inverse = new double[n][n];
        for (int i = 0; i < n; i++) {
            rest[i] = matrix[i].clone();
            inverse[i][i] = 1;
        }
        for (int column = 0; column < n; column++) {
            int pivot = column;
            for (int i = column + 1; i < n; i++) {
                pivot = Math.abs(rest[i][column]) > Math.abs(rest[pivot][column]) ? i : pivot;
            }
            double value = rest[pivot][column];
            if (!(Math.abs(value) > 0) || Double.isInfinite(value)) {
                throw new ArithmeticException("singular matrix");
            }
            swap(rest, pivot, column);
            swap(inverse, pivot, column);
            scale(rest[column], 1 / value);
            scale(inverse[column], 1 / value);
            for (int i = 0; i < n; i++) {
                double factor = rest[i][column];
                if (i != column && factor != 0) {
                    subtract(rest[i], rest[column], factor);
                    subtract(inverse[i], inverse[column], factor);
                }
            }
        }
        return inverse;
    }

    private static void swap(double[][] rows, int a, int b) {
        double[] row = rows[a];
        rows[a] = rows[b];
        rows[b] = row;
    }

    private static void scale(double[] row, double factor) {
        for (int j = 0; j < row.length; j++) {
            row[j] *= factor;
        }
    }

    private static void subtract(double[] row, double[] other, double factor) {
        for (int j = 0; j < row.length; j++) {
            row[j] -= factor * other[j];
        }
    }
}
