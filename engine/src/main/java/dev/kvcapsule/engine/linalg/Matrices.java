package dev.kvcapsule.engine.linalg;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;

/** Layouts, checks and simple passes over matrices in native memory. */
final class Matrices {
    static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    /** Rows and columns of a block that is transposed in the caches. */
    private static final int BLOCK = 64;

    private Matrices() {}

    static void check(MemorySegment matrix, long rows, long columns, long stride, int bytes) {
        if (rows < 0 || columns < 0 || stride < columns) {
            throw new IllegalArgumentException(rows + " rows of " + columns + " values, " + stride + " apart");
        }
        if (!matrix.isNative()) {
            throw new IllegalArgumentException("linear algebra takes native segments only");
        }
        long values = rows == 0 || columns == 0 ? 0 : Math.addExact(Math.multiplyExact(rows - 1, stride), columns);
        Objects.checkFromIndexSize(0, Math.multiplyExact(bytes, values), matrix.byteSize());
    }

    static void checkWritable(MemorySegment matrix, long rows, long columns, long stride, int bytes) {
        check(matrix, rows, columns, stride, bytes);
        if (matrix.isReadOnly()) {
            throw new IllegalArgumentException("destination segment is read-only");
        }
    }

    /**
     * Copies the upper triangle of an f64 matrix of order n into the lower one.
     *
     * @throws IllegalArgumentException if an element is not finite
     */
    static void mirror(MemorySegment a, int n) {
        for (int i = 0; i < n; i += BLOCK) {
            for (int j = i; j < n; j += BLOCK) {
                mirrorBlock(a, n, i, j);
            }
        }
    }

    private static void mirrorBlock(MemorySegment a, int n, int i, int j) {
        // Infinity and NaN times 0 are NaN, which stays.
        double nothing = 0;
        for (int r = i; r < Math.min(n, i + BLOCK); r++) {
            for (int s = Math.max(j, r); s < Math.min(n, j + BLOCK); s++) {
                double value = a.get(F64, 8 * ((long) r * n + s));
                nothing += value * 0;
                a.set(F64, 8 * ((long) s * n + r), value);
            }
        }
        if (nothing != nothing) {
            throw new IllegalArgumentException("an element of rows " + i + " to " + (i + BLOCK - 1) + " and columns " + j + " to " + (j + BLOCK - 1)
                    + " is not finite");
        }
    }

    /** Writes an f64 vector as f32, its sign such that the first of the f32 entries largest in magnitude is positive. */
    static void toOriented(MemorySegment from, long fromRow, MemorySegment to, long toRow, int n) {
        float largest = 0;
        for (int i = 0; i < n; i++) {
            float value = (float) from.get(F64, 8 * (fromRow * n + i));
            if (Math.abs(value) > Math.abs(largest)) {
                largest = value;
            }
        }
        double sign = largest < 0 ? -1 : 1;
        for (int i = 0; i < n; i++) {
            to.set(F32, 4 * (toRow * n + i), (float) (sign * from.get(F64, 8 * (fromRow * n + i))));
        }
    }

    /** Sum of the products of corresponding f64 values. */
    static double dot(MemorySegment a, MemorySegment b, long values) {
        double sum = 0;
        for (long i = 0; i < values; i++) {
            sum += a.get(F64, 8 * i) * b.get(F64, 8 * i);
        }
        return sum;
    }
}
