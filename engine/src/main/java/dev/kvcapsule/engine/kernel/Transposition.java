package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** Copies f32 matrices transposed. */
final class Transposition {
    /** Columns done at a time: their lines stay in the first-level cache. */
    private static final int CHUNK = 64;

    private Transposition() {}

    /** {@code to[j][i] = from[i][j]} for i &lt; rows, j &lt; columns; strides and offsets in bytes. */
    static void copy(MemorySegment from, long fromAt, long fromStride, MemorySegment to, long toAt, long toStride, int rows, int columns) {
        for (int j = 0; j < columns; j += CHUNK) {
            int some = Math.min(CHUNK, columns - j);
            for (int i = 0; i < rows; i++) {
                row(from, fromAt + i * fromStride + 4L * j, to, toAt + 4L * i + j * toStride, toStride, some);
            }
        }
    }

    private static void row(MemorySegment from, long fromAt, MemorySegment to, long toAt, long toStride, int count) {
        for (int j = 0; j < count; j++) {
            to.set(Bounds.FLOAT, toAt + j * toStride, from.get(Bounds.FLOAT, fromAt + 4L * j));
        }
    }
}
