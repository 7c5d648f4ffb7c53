package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Copies f32 matrices transposed, by small blocks in arrays: C2 checks the bounds of an array's loop once, and whole lines are written. */
final class Transposition {
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    /** Rows of a block: a line of the transpose. */
    private static final int ROWS = 16;
    /** Columns of a block. */
    private static final int COLUMNS = 64;

    private final float[] block = new float[ROWS * COLUMNS];
    private final float[] turned = new float[ROWS * COLUMNS];

    private int kept;

    Transposition() {}

    /** {@code to[j][i] = from[i][j]} for i &lt; rows, j &lt; columns; strides and offsets in bytes. */
    void copy(MemorySegment from, long fromAt, long fromStride, MemorySegment to, long toAt, long toStride, int rows, int columns) {
        for (int j = 0; j < columns; j += COLUMNS) {
            int width = Math.min(COLUMNS, columns - j);
            kept += touch(from, fromAt + 4L * j, fromStride, rows, width);
            for (int i = 0; i < rows; i += ROWS) {
                int height = Math.min(ROWS, rows - i);
                for (int r = 0; r < height; r++) {
                    MemorySegment.copy(from, Bounds.FLOAT, fromAt + (i + r) * fromStride + 4L * j, block, r * COLUMNS, width);
                }
                turn(block, turned);
                write(to, toAt + j * toStride + 4L * i, toStride, height, width);
            }
        }
    }

    /** Reads a value of every line, as {@link BasisRows#touch} does, for the same reason. */
    private static int touch(MemorySegment from, long at, long stride, int rows, int width) {
        int sum = 0;
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < width; j += ROWS) {
                sum += from.get(PanamaTile.INT, at + i * stride + 4L * j);
            }
        }
        return sum;
    }

    private static void turn(float[] block, float[] turned) {
        for (int j = 0; j < COLUMNS; j++) {
            for (int i = 0; i < ROWS; i++) {
                turned[j * ROWS + i] = block[i * COLUMNS + j];
            }
        }
    }

    private void write(MemorySegment to, long at, long stride, int height, int width) {
        for (int j = 0; j < width; j++) {
            if (height == ROWS) {
                for (int i = 0; i < ROWS; i += FLOAT.length()) {
                    FloatVector.fromArray(FLOAT, turned, j * ROWS + i).intoMemorySegment(to, at + j * stride + 4L * i, ByteOrder.LITTLE_ENDIAN);
                }
            } else {
                MemorySegment.copy(turned, j * ROWS, to, Bounds.FLOAT, at + j * stride, height);
            }
        }
    }
}
