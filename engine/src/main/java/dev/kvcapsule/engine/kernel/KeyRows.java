package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Decoding of keys to f16 in two passes: codes to bytes, then one plain loop that C2 turns into convert, multiply, add, vcvtps2ph and
 * store, with no binary32 scratch between. For codes of 3 and 4 bits.
 */
final class KeyRows {
    private static final VectorSpecies<Byte> BYTE = VectorWidth.BYTE_FOR_SHORT;
    private static final int BYTES = BYTE.length();

    private KeyRows() {}

    /** Unpacks {@code units} units to a byte a code. */
    static void unpack(int bits, int units, MemorySegment codes, long from, byte[] target) {
        byte mask = (byte) ((1 << bits) - 1);
        for (int unit = 0; unit < units; unit++) {
            for (int j = 0; j < 32; j += BYTES) {
                ByteVector packed = ByteVector.fromMemorySegment(BYTE, codes, from + 32L * unit + j, ByteOrder.LITTLE_ENDIAN);
                packed.and(mask).intoArray(target, unit * 64 + j);
                // Shifted as shorts: the bits that cross from the upper byte are masked away.
                packed.reinterpretAsShorts().lanewise(VectorOperators.LSHR, bits).reinterpretAsBytes().and(mask)
                        .intoArray(target, unit * 64 + j + 32);
            }
        }
    }

    /** {@code rows[i] = zeros[i] + steps[i] * codes[i]}, rounded to f16. */
    static void restore(byte[] codes, float[] zeros, float[] steps, int count, MemorySegment rows, long to) {
        for (int i = 0; i < count; i++) {
            rows.set(Bounds.SHORT, to + 2L * i, Float.floatToFloat16(zeros[i] + steps[i] * (float) codes[i]));
        }
    }

    /** Repeats the first {@code length} entries {@code times} times in all. */
    static void repeat(float[] values, int length, int times) {
        for (int i = 1; i < times; i++) {
            System.arraycopy(values, 0, values, i * length, length);
        }
    }
}
