package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Copies f32 matrices transposed, by small blocks that stay in the first-level cache. */
final class Transposition {
    /** Rows of a block: a line of the transpose. */
    private static final int ROWS = 16;
    /** Columns of a block. */
    private static final int COLUMNS = 64;

    private static final ValueLayout.OfInt BITS = ValueLayout.JAVA_INT_UNALIGNED;

    private final float[] block = new float[ROWS * COLUMNS];
    private int kept;

    Transposition() {}

    /**
     * {@code to[j][i] = from[i][j]} for i &lt; rows, j &lt; columns, out of a segment.
     *
     * @param fromAt     bytes to the first value
     * @param fromStride bytes from row to row
     * @param toAt       index of the first value
     * @param toStride   values from row to row
     */
    void read(MemorySegment from, long fromAt, long fromStride, float[] to, int toAt, int toStride, int rows, int columns) {
        for (int i = 0; i < rows; i += ROWS) {
            int height = Math.min(ROWS, rows - i);
            kept += touch(from, fromAt + i * fromStride, fromStride, height, columns);
            for (int j = 0; j < columns; j += COLUMNS) {
                int width = Math.min(COLUMNS, columns - j);
                for (int r = 0; r < height; r++) {
                    MemorySegment.copy(from, Bounds.FLOAT, fromAt + (i + r) * fromStride + 4L * j, block, r * COLUMNS, width);
                }
                if (height == ROWS) {
                    turnLines(block, to, toAt + j * toStride + i, toStride, width);
                } else {
                    turn(block, 0, COLUMNS, to, toAt + j * toStride + i, toStride, height, width);
                }
            }
        }
    }

    /** As {@link #read}, into a segment: {@code fromAt} and {@code fromStride} count values, {@code toAt} and {@code toStride} bytes. */
    void write(float[] from, int fromAt, int fromStride, MemorySegment to, long toAt, long toStride, int rows, int columns) {
        for (int i = 0; i < rows; i += COLUMNS) {
            int height = Math.min(COLUMNS, rows - i);
            for (int j = 0; j < columns; j += ROWS) {
                int width = Math.min(ROWS, columns - j);
                turn(from, fromAt + i * fromStride + j, fromStride, block, 0, COLUMNS, height, width);
                for (int r = 0; r < width; r++) {
                    MemorySegment.copy(block, r * COLUMNS, to, Bounds.FLOAT, toAt + (j + r) * toStride + 4L * i, height);
                }
            }
        }
    }

    /** Reads a value of every line, as {@link BasisRows#touch} does, for the same reason. */
    private static int touch(MemorySegment from, long at, long stride, int rows, int width) {
        int sum = 0;
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < width; j += ROWS) {
                sum += from.get(BITS, at + i * stride + 4L * j);
            }
        }
        return sum;
    }

    /** Sixteen rows, whose loop C2 unrolls. */
    private static void turnLines(float[] from, float[] to, int at, int stride, int columns) {
        for (int j = 0; j < columns; j++) {
            for (int i = 0; i < ROWS; i++) {
                to[at + j * stride + i] = from[i * COLUMNS + j];
            }
        }
    }

    private static void turn(float[] from, int fromAt, int fromStride, float[] to, int at, int stride, int rows, int columns) {
        for (int j = 0; j < columns; j++) {
            for (int i = 0; i < rows; i++) {
                to[at + j * stride + i] = from[fromAt + i * fromStride + j];
            }
        }
    }
}
