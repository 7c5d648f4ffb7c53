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

    /**
     * Centroids, transform and signs of {@code units} units, a head each, two at a time: one alone is a chain of dependent shuffles
     * longer than the processor looks ahead.
     */
    static void transform(int bits, short[] table, MemorySegment codes, long from, int units, short[] signs, short[] x) {
        ShortVector entries = ShortVector.fromArray(SHORT, table, 0);
        short mask = (short) ((1 << bits) - 1);
        int c = 0;
        for (int u = 0; u < units; u += 2) {
            int v = Math.min(u + 1, units - 1);
            int d = u == v ? c : c + 64 == signs.length ? 0 : c + 64;
            ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, codes, from + 32L * u, LE)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
            ShortVector packed2 = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, codes, from + 32L * v, LE)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
            ShortVector even = packed.and(mask).selectFrom(entries);
            ShortVector even2 = packed2.and(mask).selectFrom(entries);
            ShortVector odd = packed.lanewise(VectorOperators.LSHR, bits).and(mask).selectFrom(entries);
            ShortVector odd2 = packed2.lanewise(VectorOperators.LSHR, bits).and(mask).selectFrom(entries);
            ShortVector a = even.add(odd);
            ShortVector a2 = even2.add(odd2);
            ShortVector b = even.sub(odd);
            ShortVector b2 = even2.sub(odd2);
            for (int stage = 0; stage < 5; stage++) { // constant bounds: unrolled away
                even = EVEN.selectFrom(a, b);
                even2 = EVEN.selectFrom(a2, b2);
                odd = ODD.selectFrom(a, b);
                odd2 = ODD.selectFrom(a2, b2);
                a = even.add(odd);
                a2 = even2.add(odd2);
                b = even.sub(odd);
                b2 = even2.sub(odd2);
            }
            a.mul(ShortVector.fromArray(SHORT, signs, c)).intoArray(x, u * 64);
            b.mul(ShortVector.fromArray(SHORT, signs, c + 32)).intoArray(x, u * 64 + 32);
            a2.mul(ShortVector.fromArray(SHORT, signs, d)).intoArray(x, v * 64);
            b2.mul(ShortVector.fromArray(SHORT, signs, d + 32)).intoArray(x, v * 64 + 32);
            c = d + 64 == signs.length ? 0 : d + 64;
        }
    }

    /** Turns the signed integers of {@link #transform} into values in natural order. */
    static void scale(short[] v, int units, float[] gains, float scale, float[] x) {
        for (int u = 0; u < units; u++) {
            float factor = gains[u] * scale;
            IntVector first = ShortVector.fromArray(SHORT, v, u * 64).reinterpretAsInts();
            IntVector second = ShortVector.fromArray(SHORT, v, u * 64 + 32).reinterpretAsInts();
            ((FloatVector) first.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16)
                    .convertShape(VectorOperators.I2F, FLOAT, 0)).mul(factor).intoArray(x, u * 64);
            ((FloatVector) second.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16)
                    .convertShape(VectorOperators.I2F, FLOAT, 0)).mul(factor).intoArray(x, u * 64 + 16);
            ((FloatVector) first.lanewise(VectorOperators.ASHR, 16).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(factor)
                    .intoArray(x, u * 64 + 32);
            ((FloatVector) second.lanewise(VectorOperators.ASHR, 16).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(factor)
                    .intoArray(x, u * 64 + 48);
        }
    }
}
