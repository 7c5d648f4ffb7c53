package dev.kvcapsule.codecs.principal;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Rows of codes in 4 bits, -8 to 7, two in a byte: the first one is the lower half. Each row begins with a byte of its own. */
public final class NibbleRows {
    /** Largest magnitude of a code that is written. */
    public static final int LARGEST_CODE = 7;

    private NibbleRows() {}

    /** Bytes of rows of that width. */
    public static long bytes(int rows, int width) {
        return (long) rows * rowBytes(width);
    }

    private static int rowBytes(int width) {
        return (width + 1) / 2;
    }

    /**
     * Packs.
     *
     * @param codes int8 {@code [rows][width]}, of which the lower four bits count
     * @param arena owns the result
     */
    public static MemorySegment pack(MemorySegment codes, int rows, int width, Arena arena) {
        MemorySegment packed = arena.allocate(Math.max(1, bytes(rows, width)), 64).asSlice(0, bytes(rows, width));
        byte[] row = new byte[2 * rowBytes(width)];
        byte[] halves = new byte[rowBytes(width)];
        for (int r = 0; r < rows; r++) {
            MemorySegment.copy(codes, ValueLayout.JAVA_BYTE, (long) r * width, row, 0, width);
            for (int i = 0; i < halves.length; i++) {
                halves[i] = (byte) (row[2 * i] & 15 | row[2 * i + 1] << 4);
            }
            MemorySegment.copy(halves, 0, packed, ValueLayout.JAVA_BYTE, (long) r * halves.length, halves.length);
        }
        return packed;
    }

    /**
     * Unpacks.
     *
     * @param packed {@link #bytes} of them
     * @param codes receives int8 {@code [rows][width]}
     */
    public static void unpack(MemorySegment packed, int rows, int width, MemorySegment codes) {
        byte[] row = new byte[2 * rowBytes(width)];
        byte[] halves = new byte[rowBytes(width)];
        for (int r = 0; r < rows; r++) {
            MemorySegment.copy(packed, ValueLayout.JAVA_BYTE, (long) r * halves.length, halves, 0, halves.length);
            unpack(halves, row);
            MemorySegment.copy(row, 0, codes, ValueLayout.JAVA_BYTE, (long) r * width, width);
        }
    }

    private static void unpack(byte[] halves, byte[] row) {
        for (int i = 0; i < halves.length; i++) {
            row[2 * i] = (byte) (halves[i] << 28 >> 28);
            row[2 * i + 1] = (byte) (halves[i] >> 4);
        }
    }
}
