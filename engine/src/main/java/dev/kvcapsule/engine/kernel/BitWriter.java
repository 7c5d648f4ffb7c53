package dev.kvcapsule.engine.kernel;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A string of bits, first bit lowest in its byte. */
final class BitWriter {
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

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
        if (pendingBits >= Integer.SIZE) {
            reserve(Integer.BYTES);
            INT.set(bytes, size, (int) pending);
            size += Integer.BYTES;
            pending >>>= Integer.SIZE;
            pendingBits -= Integer.SIZE;
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
        reserve(Integer.BYTES);
        for (; pendingBits > 0; pendingBits -= 8) {
            bytes[size++] = (byte) pending;
            pending >>>= 8;
        }
        pendingBits = 0;
        return bytes;
    }

    int size() {
        return size;
    }

    private void reserve(int more) {
        if (size + more > bytes.length) {
            bytes = Arrays.copyOf(bytes, 2 * bytes.length);
        }
    }
}
