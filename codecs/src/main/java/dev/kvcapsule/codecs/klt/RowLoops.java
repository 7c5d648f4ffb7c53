package dev.kvcapsule.codecs.klt;

import java.lang.foreign.MemorySegment;

/**
 * Arithmetic on rows of f32 in native memory, row by row through an array: bulk copies and plain loops are fast before C2 has come, and it makes vectors of them.
 */
final class RowLoops {
    private RowLoops() {}

    /** {@code row + addend} for each row, in place. */
    static void add(MemorySegment rows, int tokens, float[] addend) {
        float[] row = new float[addend.length];
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            for (int w = 0; w < row.length; w++) {
                row[w] += addend[w];
            }
            store(row, rows, t);
        }
    }

    /** {@code row - subtrahend} for each row, in place. */
    static void subtract(MemorySegment rows, int tokens, float[] subtrahend) {
        float[] row = new float[subtrahend.length];
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            for (int w = 0; w < row.length; w++) {
                row[w] -= subtrahend[w];
            }
            store(row, rows, t);
        }
    }

    /** The {@code count} numbers of each row from {@code first} on with the other sign, in place. */
    static void negate(MemorySegment rows, int tokens, int stride, int first, int count) {
        float[] row = new float[count];
        for (int t = 0; t < tokens; t++) {
            long at = 4 * ((long) t * stride + first);
            MemorySegment.copy(rows, Transform.FLOAT, at, row, 0, count);
            for (int w = 0; w < count; w++) {
                row[w] = -row[w];
            }
            MemorySegment.copy(row, 0, rows, Transform.FLOAT, at, count);
        }
    }

    /** {@code row * factor} for each row. */
    static void multiply(MemorySegment rows, int tokens, float[] factor, MemorySegment out) {
        float[] row = new float[factor.length];
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            for (int w = 0; w < row.length; w++) {
                row[w] *= factor[w];
            }
            store(row, out, t);
        }
    }

    /** A row times a number; may be in place. */
    static void multiply(MemorySegment rows, int row, int width, float factor, MemorySegment out, int outRow) {
        float[] values = new float[width];
        load(rows, row, values);
        for (int w = 0; w < width; w++) {
            values[w] *= factor;
        }
        store(values, out, outRow);
    }

    /** {@code row / divisor} for each row. */
    static void divide(MemorySegment rows, int tokens, float[] divisor, MemorySegment out) {
        float[] row = new float[divisor.length];
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            for (int w = 0; w < row.length; w++) {
                row[w] /= divisor[w];
            }
            store(row, out, t);
        }
    }

    /** {@code other - row} for each row of {@code width} numbers, in place. */
    static void subtractFrom(MemorySegment rows, int tokens, int width, MemorySegment other) {
        float[] row = new float[width];
        float[] minuend = new float[width];
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            load(other, t, minuend);
            for (int w = 0; w < width; w++) {
                row[w] = minuend[w] - row[w];
            }
            store(row, rows, t);
        }
    }

    /** The sum of all squares, binary64, in a fixed order. */
    static double squares(MemorySegment rows, int tokens, int width) {
        float[] row = new float[width];
        double sum = 0;
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            sum += squares(row);
        }
        return sum;
    }

    /** In four stripes: a single sum would wait for each addition before the next. */
    private static double squares(float[] row) {
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        int w = 0;
        for (; w <= row.length - 4; w += 4) {
            s0 += (double) row[w] * row[w];
            s1 += (double) row[w + 1] * row[w + 1];
            s2 += (double) row[w + 2] * row[w + 2];
            s3 += (double) row[w + 3] * row[w + 3];
        }
        for (; w < row.length; w++) {
            s0 += (double) row[w] * row[w];
        }
        return s0 + s1 + (s2 + s3);
    }

    private static void load(MemorySegment rows, int t, float[] row) {
        MemorySegment.copy(rows, Transform.FLOAT, 4L * t * row.length, row, 0, row.length);
    }

    private static void store(float[] row, MemorySegment rows, int t) {
        MemorySegment.copy(row, 0, rows, Transform.FLOAT, 4L * t * row.length, row.length);
    }
}
