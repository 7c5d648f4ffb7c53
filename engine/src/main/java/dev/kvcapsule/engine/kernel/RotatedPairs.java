package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Decoding of the rotated codec from codes to f16 rows in registers, for 512 bits, codes of 3 and 4 bits and heads of 64. Two heads go
 * together: each 16-bit lane of their 64 code bytes holds codes of elements 2 j, 2 j + 32, 2 j + 1 and 2 j + 33 of a head, so that the
 * butterflies over distances 32 and 1 need no shuffle. Four exchanges in constant geometry, each before another butterfly, leave lanes
 * that hold an element of the first head next to the same one of the second: widened, each half is 16 neighbours of one head.
 */
final class RotatedPairs {
    /** Channels of two heads. */
    static final int PAIR = 128;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final ShortVector EVEN = ShortVector.zero(SHORT).addIndex(2);
    private static final ShortVector ODD = EVEN.add((short) 1);

    // Rounding to f16, half to even, in registers: the Vector API has no such conversion. Adding and taking away a number whose last place
    // is that of the result rounds; a shift of the exponent, subnormal numbers becoming subnormal, leaves f16's bits from the 14th on.

    static final int EXPONENT = 0x7f800000;
    /** 2^-14: smaller values are subnormal, their last place that of this exponent. */
    static final int SMALLEST = 0x38800000;
    /** Times 1.5 2^13: half as much again, so that a negative value does not change the exponent of the sum. */
    static final int PLACES = (13 << 23) + (1 << 22);
    static final float REBIAS = 0x1p-112f;

    private RotatedPairs() {}

    /**
     * Writes pairs of heads from the integers that the call or the pass before left, then transforms the codes of the next: what depends
     * on a long chain of shuffles is so far behind it that both are computed at once.
     *
     * @param table   the centroids over and over, 32 entries
     * @param from    where the codes of the pair after the first one written lie
     * @param signs   of an even number of rows, those of two heads by turns
     * @param means   of as many rows; -0 if there are none
     * @param channel of the first pair in these
     * @param factors by head, 2^-16 of the factor of the integers, none so large that a value leaves the range of f16
     * @param head    of the first pair in these
     * @param state   the integers of one pair
     */
    static void decode(int bits, short[] table, MemorySegment codes, long from, int pairs, short[] signs, float[] means, int channel,
            float[] factors, int head, short[] state, MemorySegment rows, long to) {
        NativeMemory.require(codes);
        NativeMemory.require(rows);
        ShortVector entries = ShortVector.fromArray(SHORT, table, 0);
        ShortVector first = ShortVector.fromArray(SHORT, state, 0);
        ShortVector second = ShortVector.fromArray(SHORT, state, 32);
        ShortVector third = ShortVector.fromArray(SHORT, state, 64);
        ShortVector fourth = ShortVector.fromArray(SHORT, state, 96);
        int c = channel;
        for (int p = 0; p < pairs; p++) {
            // The table repeats itself, so what lies above a code in its lane does not count.
            ShortVector packed = ShortVector.fromMemorySegment(SHORT, codes, from + 64L * p, LE);
            ShortVector a = packed.selectFrom(entries);
            ShortVector b = packed.lanewise(VectorOperators.LSHR, bits).selectFrom(entries);
            ShortVector p0 = a.add(b);
            ShortVector q0 = a.sub(b);
            a = packed.lanewise(VectorOperators.LSHR, 8).selectFrom(entries);
            b = packed.lanewise(VectorOperators.LSHR, 8 + bits).selectFrom(entries);
            ShortVector p1 = a.add(b);
            ShortVector q1 = a.sub(b);
            for (int stage = 0; stage < 4; stage++) { // constant bounds: unrolled away
                a = p0.add(p1);
                b = p0.sub(p1);
                p0 = EVEN.selectFrom(a, b);
                p1 = ODD.selectFrom(a, b);
                a = q0.add(q1);
                b = q0.sub(q1);
                q0 = EVEN.selectFrom(a, b);
                q1 = ODD.selectFrom(a, b);
            }
            float f0 = factors[head + 2 * p];
            float f1 = factors[head + 2 * p + 1];
            IntVector v0 = first.mul(ShortVector.fromArray(SHORT, signs, c)).reinterpretAsInts();
            IntVector v1 = second.mul(ShortVector.fromArray(SHORT, signs, c + 32)).reinterpretAsInts();
            IntVector w0 = third.mul(ShortVector.fromArray(SHORT, signs, c + 64)).reinterpretAsInts();
            IntVector w1 = fourth.mul(ShortVector.fromArray(SHORT, signs, c + 96)).reinterpretAsInts();
            FloatVector a0x = ((FloatVector) v0.lanewise(VectorOperators.LSHL, 16).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(f0)
                    .add(FloatVector.fromArray(FLOAT, means, c));
            FloatVector a0p = a0x.reinterpretAsInts().and(EXPONENT).max(SMALLEST).add(PLACES).reinterpretAsFloats();
            ShortVector a0 = a0x.add(a0p).sub(a0p).mul(REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(a0x.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            FloatVector b0x = ((FloatVector) v1.lanewise(VectorOperators.LSHL, 16).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(f0)
                    .add(FloatVector.fromArray(FLOAT, means, c + 16));
            FloatVector b0p = b0x.reinterpretAsInts().and(EXPONENT).max(SMALLEST).add(PLACES).reinterpretAsFloats();
            ShortVector b0 = b0x.add(b0p).sub(b0p).mul(REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(b0x.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            ODD.selectFrom(a0, b0).intoMemorySegment(rows, to + 256L * p, LE);
            FloatVector a1x = ((FloatVector) v0.and(0xffff0000).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(f1)
                    .add(FloatVector.fromArray(FLOAT, means, c + 64));
            FloatVector a1p = a1x.reinterpretAsInts().and(EXPONENT).max(SMALLEST).add(PLACES).reinterpretAsFloats();
            ShortVector a1 = a1x.add(a1p).sub(a1p).mul(REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(a1x.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            FloatVector b1x = ((FloatVector) v1.and(0xffff0000).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(f1)
                    .add(FloatVector.fromArray(FLOAT, means, c + 80));
            FloatVector b1p = b1x.reinterpretAsInts().and(EXPONENT).max(SMALLEST).add(PLACES).reinterpretAsFloats();
            ShortVector b1 = b1x.add(b1p).sub(b1p).mul(REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(b1x.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            ODD.selectFrom(a1, b1).intoMemorySegment(rows, to + 256L * p + 128, LE);
            FloatVector a2x = ((FloatVector) w0.lanewise(VectorOperators.LSHL, 16).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(f0)
                    .add(FloatVector.fromArray(FLOAT, means, c + 32));
            FloatVector a2p = a2x.reinterpretAsInts().and(EXPONENT).max(SMALLEST).add(PLACES).reinterpretAsFloats();
            ShortVector a2 = a2x.add(a2p).sub(a2p).mul(REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(a2x.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            FloatVector b2x = ((FloatVector) w1.lanewise(VectorOperators.LSHL, 16).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(f0)
                    .add(FloatVector.fromArray(FLOAT, means, c + 48));
            FloatVector b2p = b2x.reinterpretAsInts().and(EXPONENT).max(SMALLEST).add(PLACES).reinterpretAsFloats();
            ShortVector b2 = b2x.add(b2p).sub(b2p).mul(REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(b2x.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            ODD.selectFrom(a2, b2).intoMemorySegment(rows, to + 256L * p + 64, LE);
            FloatVector a3x = ((FloatVector) w0.and(0xffff0000).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(f1)
                    .add(FloatVector.fromArray(FLOAT, means, c + 96));
            FloatVector a3p = a3x.reinterpretAsInts().and(EXPONENT).max(SMALLEST).add(PLACES).reinterpretAsFloats();
            ShortVector a3 = a3x.add(a3p).sub(a3p).mul(REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(a3x.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            FloatVector b3x = ((FloatVector) w1.and(0xffff0000).convertShape(VectorOperators.I2F, FLOAT, 0)).mul(f1)
                    .add(FloatVector.fromArray(FLOAT, means, c + 112));
            FloatVector b3p = b3x.reinterpretAsInts().and(EXPONENT).max(SMALLEST).add(PLACES).reinterpretAsFloats();
            ShortVector b3 = b3x.add(b3p).sub(b3p).mul(REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(b3x.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            ODD.selectFrom(a3, b3).intoMemorySegment(rows, to + 256L * p + 192, LE);
            c = c + PAIR == signs.length ? 0 : c + PAIR;
            first = p0.add(p1);
            second = p0.sub(p1);
            third = q0.add(q1);
            fourth = q0.sub(q1);
        }
        first.intoArray(state, 0);
        second.intoArray(state, 32);
        third.intoArray(state, 64);
        fourth.intoArray(state, 96);
    }
}
