package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Decoding of the rotated codec in registers from codes to scaled values, for 512 bits, codes of 3 and 4 bits and blocks of 64. */
final class RotatedRows {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final ShortVector EVEN = ShortVector.zero(SHORT).addIndex(2);
    private static final ShortVector ODD = EVEN.add((short) 1);

    private RotatedRows() {}

    static boolean fits(int bits, int block) {
        return VectorWidth.BITS == 512 && block == 64 && (bits == 3 || bits == 4);
    }

    /**
     * Signs in the order the transform leaves its vectors in: a butterfly over distance 32 and five stages in constant geometry, one
     * short of the natural order, so that lane 2 j of the first vector is element j, lane 2 j + 1 element j + 32, and the second vector
     * has those from 16 and 48 on.
     */
    static short[] signs(short[] signs) {
        short[] result = new short[signs.length];
        for (int i = 0; i < signs.length; i++) {
            int from = (i & -64) + (i >> 1 & 15) + (i >> 5 & 1) * 16 + (i & 1) * 32;
            result[i] = signs[from];
        }
        return result;
    }

    /** Centroids, transform, signs and gain of {@code units} units, one head each. */
    static void decode(int bits, short[] table, MemorySegment codes, long from, int units, short[] signs, float[] gains, float scale,
            float[] x) {
        ShortVector entries = ShortVector.fromArray(SHORT, table, 0);
        short mask = (short) ((1 << bits) - 1);
        int c = 0;
        for (int u = 0; u < units; u++) {
            ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, codes, from + 32L * u, LE)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
            ShortVector even = packed.and(mask).selectFrom(entries);
            ShortVector odd = packed.lanewise(VectorOperators.LSHR, bits).and(mask).selectFrom(entries);
            ShortVector a = even.add(odd);
            ShortVector b = even.sub(odd);
            for (int stage = 0; stage < 5; stage++) { // constant bounds: unrolled away
                even = EVEN.selectFrom(a, b);
                odd = ODD.selectFrom(a, b);
                a = even.add(odd);
                b = even.sub(odd);
            }
            float factor = gains[u] * scale;
            IntVector first = a.mul(ShortVector.fromArray(SHORT, signs, c)).reinterpretAsInts();
            IntVector second = b.mul(ShortVector.fromArray(SHORT, signs, c + 32)).reinterpretAsInts();
            ((FloatVector) first.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16)
                    .convertShape(VectorOperators.I2F, FLOAT, 0)).mul(factor).intoArray(x, u * 64);
            ((FloatVector) second.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16)
                    .convertShape(VectorOperators.I2F, FLOAT, 0)).mul(factor).intoArray(x, u * 64 + 16);
            ((FloatVector) first.lanewise(VectorOperators.ASHR, 16).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(factor)
                    .intoArray(x, u * 64 + 32);
            ((FloatVector) second.lanewise(VectorOperators.ASHR, 16).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(factor)
                    .intoArray(x, u * 64 + 48);
            c = c + 64 == signs.length ? 0 : c + 64;
        }
    }
}
