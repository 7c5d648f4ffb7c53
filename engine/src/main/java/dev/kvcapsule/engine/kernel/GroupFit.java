package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link GroupCode#fit} on vectors of groups, in two passes without helper methods (see {@link GroupLanes}). The arrays have room for
 * a whole last vector, with finite values there.
 */
final class GroupFit {
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final int LANES = FLOAT.length();
    private static final int ROUND_BITS = 0x4b000000;
    /** f16 exponents less f32 exponents, in f16 position. */
    private static final int REBIAS = 112 << 10;
    /** 2^-14 as f32 bits: below it f16 counts multiples of 2^-24. */
    private static final int SMALLEST_NORMAL = 0x38800000;

    private GroupFit() {}

    /** Zero points in f16: the magnitude rounded up where the minimum is negative, else down. */
    static void halfZeros(float[] min, int count, short[] zeros, float[] zeroValues) {
        for (int i = 0; i < count; i += LANES) {
            IntVector bits = FloatVector.fromArray(FLOAT, min, i).add(0.0f).reinterpretAsInts();
            IntVector negative = bits.lanewise(VectorOperators.ASHR, 31);
            IntVector size = bits.and(Integer.MAX_VALUE);
            IntVector normal = size.add(negative.and(0x1fff)).lanewise(VectorOperators.LSHR, 13).sub(REBIAS);
            FloatVector multiple = size.reinterpretAsFloats().mul(0x1p24f);
            FloatVector nearest = multiple.add(GroupCode.ROUND);
            // Exact and within 1/2: the sign tells on which side of the value the nearest multiple lies.
            FloatVector error = multiple.sub(nearest.sub(GroupCode.ROUND));
            IntVector small = nearest.reinterpretAsInts().sub(ROUND_BITS);
            small = small.sub(negative, error.compare(VectorOperators.GT, 0.0f).cast(INT));
            small = small.sub(negative.add(1), error.compare(VectorOperators.LT, 0.0f).cast(INT));
            IntVector zero = normal.blend(small, size.compare(VectorOperators.LT, SMALLEST_NORMAL)).min(0x7bff);
            FloatVector value = zero.lanewise(VectorOperators.LSHL, 13).reinterpretAsFloats().mul(0x1p112f);
            value.reinterpretAsInts().or(negative.and(Integer.MIN_VALUE)).reinterpretAsFloats().intoArray(zeroValues, i);
            ((ShortVector) zero.or(negative.and(0x8000)).convertShape(VectorOperators.I2S, VectorWidth.SHORT_FOR_INT, 0)).intoArray(zeros, i);
        }
    }

    /**
     * Steps in f16, rounded up, and their inverses.
     *
     * @return whether every group is ordinary: finite, representable, with a finite inverse and range; if not, the results are void
     *         and the caller takes the scalar kernel
     */
    static boolean halfSteps(int levels, float[] min, float[] max, int count, float[] zeroValues, short[] steps, float[] inverses) {
        long ordinary = -1L;
        for (int i = 0; i < count; i += LANES) {
            FloatVector high = FloatVector.fromArray(FLOAT, max, i).add(0.0f);
            FloatVector zero = FloatVector.fromArray(FLOAT, zeroValues, i);
            FloatVector exact = high.sub(zero).div(levels);
            IntVector size = exact.reinterpretAsInts();
            IntVector normal = size.add(0x1fff).lanewise(VectorOperators.LSHR, 13).sub(REBIAS);
            FloatVector multiple = exact.mul(0x1p24f);
            FloatVector nearest = multiple.add(GroupCode.ROUND);
            VectorMask<Float> tooLow = nearest.sub(GroupCode.ROUND).compare(VectorOperators.LT, multiple);
            IntVector small = nearest.reinterpretAsInts().sub(ROUND_BITS).add(1, tooLow.cast(INT));
            IntVector step = normal.blend(small, size.compare(VectorOperators.LT, SMALLEST_NORMAL)).min(0x7bff);
            FloatVector value = step.lanewise(VectorOperators.LSHL, 13).reinterpretAsFloats().mul(0x1p112f);
            FloatVector inverse = FloatVector.broadcast(FLOAT, 1.0f).div(value).blend(0.0f, value.compare(VectorOperators.EQ, 0.0f));
            inverse.intoArray(inverses, i);
            ((ShortVector) step.convertShape(VectorOperators.I2S, VectorWidth.SHORT_FOR_INT, 0)).intoArray(steps, i);
            // An infinity or NaN among the members is at an end of the range, beyond every finite value.
            ordinary &= FloatVector.fromArray(FLOAT, min, i).compare(VectorOperators.GE, zero).toLong();
            ordinary &= high.compare(VectorOperators.LT, Float.POSITIVE_INFINITY).toLong();
            ordinary &= zero.add(value.mul(levels)).compare(VectorOperators.LT, 65520f).toLong();
        }
        return ordinary == (1L << LANES) - 1;
    }

    /** Zero points in bf16. */
    static void bfloatZeros(float[] min, int count, short[] zeros, float[] zeroValues) {
        for (int i = 0; i < count; i += LANES) {
            IntVector bits = FloatVector.fromArray(FLOAT, min, i).add(0.0f).reinterpretAsInts();
            IntVector negative = bits.lanewise(VectorOperators.ASHR, 31);
            IntVector size = bits.and(Integer.MAX_VALUE).add(negative.and(0xffff)).lanewise(VectorOperators.LSHR, 16).min(0x7f7f);
            IntVector zero = size.or(negative.and(0x8000));
            zero.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(zeroValues, i);
            ((ShortVector) zero.convertShape(VectorOperators.I2S, VectorWidth.SHORT_FOR_INT, 0)).intoArray(zeros, i);
        }
    }

    /** Steps in bf16; otherwise as {@link #halfSteps}. */
    static boolean bfloatSteps(int levels, float[] min, float[] max, int count, float[] zeroValues, short[] steps, float[] inverses) {
        long ordinary = -1L;
        for (int i = 0; i < count; i += LANES) {
            FloatVector high = FloatVector.fromArray(FLOAT, max, i).add(0.0f);
            FloatVector zero = FloatVector.fromArray(FLOAT, zeroValues, i);
            FloatVector exact = high.sub(zero).div(levels);
            IntVector step = exact.reinterpretAsInts().add(0xffff).lanewise(VectorOperators.LSHR, 16).min(0x7f7f);
            FloatVector value = step.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
            FloatVector inverse = FloatVector.broadcast(FLOAT, 1.0f).div(value).blend(0.0f, value.compare(VectorOperators.EQ, 0.0f));
            inverse.intoArray(inverses, i);
            ((ShortVector) step.convertShape(VectorOperators.I2S, VectorWidth.SHORT_FOR_INT, 0)).intoArray(steps, i);
            ordinary &= FloatVector.fromArray(FLOAT, min, i).compare(VectorOperators.GE, zero).toLong();
            ordinary &= exact.compare(VectorOperators.LT, Float.POSITIVE_INFINITY).toLong();
            ordinary &= inverse.compare(VectorOperators.LT, Float.POSITIVE_INFINITY).toLong();
            // 0x7f7f8000 is the first binary32 that rounds to a bf16 infinity.
            ordinary &= zero.add(value.mul(levels)).compare(VectorOperators.LT, Float.intBitsToFloat(0x7f7f8000)).toLong();
        }
        return ordinary == (1L << LANES) - 1;
    }
}
