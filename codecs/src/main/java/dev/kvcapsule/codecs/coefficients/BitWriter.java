package dev.kvcapsule.codecs.coefficients;

import java.util.Arrays;

/** A string of bits, first bit lowest in its byte. */
final class BitWriter {
    private byte[] bytes = new byte[64];
    private int size;
    private long pending;
    private int pendingBits;

    void clear() {
        size = 0;
        pending = 0;
        pendingBits = 0;
    }

    /** @param bits how many of the lowest bits of {@code value} to append, 0 to 32; the others are 0 */
    void write(int value, int bits) {
        pending |= (value & 0xFFFFFFFFL) << pendingBits;
        pendingBits += bits;
        while (pendingBits >= 8) {
            append((byte) pending);
            pending >>>= 8;
            pendingBits -= 8;
        }
    }

    /** Appends an Elias gamma code. @param value at least 1 */
    void writeGamma(int value) {
        int bits = 31 - Integer.numberOfLeadingZeros(value);
        write(1 << bits, bits + 1);
        write(value & (1 << bits) - 1, bits);
    }

    /** Fills the last byte with zeros. @return the bytes; only the first {@link #size} count */
    byte[] finish() {
        if (pendingBits > 0) {
            append((byte) pending);
            pending = 0;
            pendingBits = 0;
        }
        return bytes;
    }

    int size() {
        return size;
    }

    private void append(byte b) {
        if (size == bytes.length) {
            bytes = Arrays.copyOf(bytes, 2 * size);
        }
        bytes[size++] = b;
    }
}
