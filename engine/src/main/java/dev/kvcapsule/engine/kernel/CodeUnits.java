package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The packing of b-bit codes: units of 64 codes, byte j of a unit holding codes j, j + w, j + 2w .. from its low bits up, where w is
 * the bytes of a unit. One byte load thus serves lanes that lie w apart, and no code ever needs a shift by a lane number.
 */
final class CodeUnits {
    /** Codes in a unit. */
    static final int CODES = 64;

    private CodeUnits() {}

    /**
     * @param bits 2, 3, 4 or 8
     * @throws IllegalArgumentException for another width
     */
    static int codesPerByte(int bits) {
        return switch (bits) {
            case 2 -> 4;
            case 3, 4 -> 2;
            case 8 -> 1;
            default -> throw new IllegalArgumentException("code width " + bits + " is not 2, 3, 4 or 8");
        };
    }

    static int unitBytes(int bits) {
        return CODES / codesPerByte(bits);
    }

    static int unitsPerRow(int channels) {
        return (channels + CODES - 1) / CODES;
    }

    static int rowBytes(int bits, int channels) {
        return unitsPerRow(channels) * unitBytes(bits);
    }

    /** Unpacks {@code units} units; {@code row} has room for 64 codes a unit. */
    static void unpack(int bits, MemorySegment codes, long offset, int units, byte[] row) {
        byte[] packed = new byte[units * unitBytes(bits)];
        MemorySegment.copy(codes, ValueLayout.JAVA_BYTE, offset, packed, 0, packed.length);
        unpack(bits, packed, packed.length, row);
    }

    /** Unpacks whole units of {@code bytes} bytes in all; {@code row} has room for their codes. */
    static void unpack(int bits, byte[] packed, int bytes, byte[] row) {
        int width = unitBytes(bits);
        int mask = (1 << bits) - 1;
        int at = 0;
        for (int unit = 0; unit < bytes; unit += width) {
            for (int k = 0; k < CODES / width; k++, at += width) {
                unpackPlace(packed, unit, width, k * bits, mask, row, at);
            }
        }
    }

    private static void unpackPlace(byte[] packed, int from, int width, int shift, int mask, byte[] row, int to) {
        for (int j = 0; j < width; j++) {
            row[to + j] = (byte) (packed[from + j] >>> shift & mask);
        }
    }

    /** Packs {@code units} units from {@code row}, whose padding codes must be 0. */
    static void pack(int bits, byte[] row, int units, MemorySegment codes, long offset) {
        int width = unitBytes(bits);
        byte[] packed = new byte[units * width];
        for (int unit = 0; unit < units; unit++) {
            for (int k = 0; k < CODES / width; k++) {
                packPlace(row, unit * CODES + k * width, width, k * bits, packed, unit * width);
            }
        }
        MemorySegment.copy(packed, 0, codes, ValueLayout.JAVA_BYTE, offset, packed.length);
    }

    private static void packPlace(byte[] row, int from, int width, int shift, byte[] packed, int to) {
        for (int j = 0; j < width; j++) {
            packed[to + j] |= (byte) (row[from + j] << shift);
        }
    }
}
