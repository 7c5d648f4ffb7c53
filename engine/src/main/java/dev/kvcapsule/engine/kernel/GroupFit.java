package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** {@link GroupCode#fit} on vectors of groups. */
final class GroupFit {
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final int LANES = FLOAT.length();
    private static final int ROUND_BITS = 0x4b000000;

    private GroupFit() {}

    /**
     * Fits {@code count} groups. The arrays have room for a whole last vector, and finite values there.
     *
     * @return whether every group is ordinary: finite, representable, with a finite inverse and range; if not, the results are void
     *         and the caller takes the scalar kernel
     */
    static boolean fit(ElementType parameter, int levels, float[] min, float[] max, int count, short[] zeros, short[] steps,
            float[] zeroValues, float[] inverses) {
        return parameter == ElementType.F16 ? half(levels, min, max, count, zeros, steps, zeroValues, inverses)
                : bfloat(levels, min, max, count, zeros, steps, zeroValues, inverses);
    }

    private static boolean half(int levels, float[] min, float[] max, int count, short[] zeros, short[] steps, float[] zeroValues,
            float[] inverses) {
        VectorMask<Float> ordinary = VectorMask.fromLong(FLOAT, -1L);
        for (int i = 0; i < count; i += LANES) {
            FloatVector low = FloatVector.fromArray(FLOAT, min, i).add(0.0f);
            FloatVector high = FloatVector.fromArray(FLOAT, max, i);
            IntVector bits = low.reinterpretAsInts();
            VectorMask<Integer> negative = bits.compare(VectorOperators.LT, 0);
            FloatVector size = low.abs();
            IntVector up = magnitudeUp(size);
            IntVector down = magnitudeDown(size);
            IntVector zero = down.blend(up, negative).min(0x7bff);
            FloatVector zeroValue = value(zero);
            zero = zero.blend(zero.or(0x8000), negative);
            zeroValue = zeroValue.blend(zeroValue.neg(), negative.cast(FLOAT));
            FloatVector exact = high.sub(zeroValue).div(levels);
            IntVector step = magnitudeUp(exact).min(0x7bff);
            FloatVector stepValue = value(step);
            FloatVector top = zeroValue.add(stepValue.mul(levels));
            ordinary = ordinary.and(finite(low)).and(finite(high)).and(zeroValue.compare(VectorOperators.LE, low)).and(top.compare(VectorOperators.LT, 65520f));
            inverse(stepValue).intoArray(inverses, i);
            zeroValue.intoArray(zeroValues, i);
            narrow(zero).intoArray(zeros, i);
            narrow(step).intoArray(steps, i);
        }
        return ordinary.allTrue();
    }

    private static boolean bfloat(int levels, float[] min, float[] max, int count, short[] zeros, short[] steps, float[] zeroValues,
            float[] inverses) {
        VectorMask<Float> ordinary = VectorMask.fromLong(FLOAT, -1L);
        for (int i = 0; i < count; i += LANES) {
            FloatVector low = FloatVector.fromArray(FLOAT, min, i).add(0.0f);
            FloatVector high = FloatVector.fromArray(FLOAT, max, i);
            IntVector bits = low.reinterpretAsInts();
            VectorMask<Integer> negative = bits.compare(VectorOperators.LT, 0);
            IntVector size = bits.and(Integer.MAX_VALUE);
            size = size.blend(size.add(0xffff), negative);
            IntVector zero = size.lanewise(VectorOperators.LSHR, 16).min(0x7f7f);
            zero = zero.blend(zero.or(0x8000), negative);
            FloatVector zeroValue = zero.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
            FloatVector exact = high.sub(zeroValue).div(levels);
            IntVector step = exact.reinterpretAsInts().add(0xffff).lanewise(VectorOperators.LSHR, 16).min(0x7f7f);
            FloatVector stepValue = step.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
            FloatVector inverse = inverse(stepValue);
            // An infinite range makes the exact step infinite, and so the step clamped and the top infinite or far off: both are seen.
            FloatVector top = zeroValue.add(stepValue.mul(levels));
            VectorMask<Float> tame = top.compare(VectorOperators.LT, Float.intBitsToFloat(0x7f7f8000)).and(finite(inverse)).and(finite(exact));
            ordinary = ordinary.and(finite(low)).and(finite(high)).and(zeroValue.compare(VectorOperators.LE, low)).and(tame);
            inverse.intoArray(inverses, i);
            zeroValue.intoArray(zeroValues, i);
            narrow(zero).intoArray(zeros, i);
            narrow(step).intoArray(steps, i);
        }
        return ordinary.allTrue();
    }

    private static ShortVector narrow(IntVector bits) {
        return (ShortVector) bits.convertShape(VectorOperators.I2S, VectorWidth.SHORT_FOR_INT, 0);
    }

    private static VectorMask<Float> finite(FloatVector value) {
        return value.abs().compare(VectorOperators.LT, Float.POSITIVE_INFINITY);
    }

    private static FloatVector inverse(FloatVector step) {
        return FloatVector.broadcast(FLOAT, 1.0f).div(step).blend(0.0f, step.compare(VectorOperators.EQ, 0.0f));
    }

    /** The value of f16 magnitudes: their bits moved into place are the value times 2^-112, subnormals included. */
    private static FloatVector value(IntVector magnitude) {
        return magnitude.lanewise(VectorOperators.LSHL, 13).reinterpretAsFloats().mul(0x1p112f);
    }

    /** The f16 magnitude not below {@code size >= 0}; below 2^-14 it counts multiples of 2^-24. */
    private static IntVector magnitudeUp(FloatVector size) {
        IntVector normal = size.reinterpretAsInts().add(0x1fff).lanewise(VectorOperators.LSHR, 13).sub(112 << 10);
        FloatVector multiple = size.mul(0x1p24f);
        FloatVector nearest = multiple.add(GroupCode.ROUND);
        IntVector small = nearest.reinterpretAsInts().sub(ROUND_BITS);
        small = small.add(1, nearest.sub(GroupCode.ROUND).compare(VectorOperators.LT, multiple).cast(INT));
        return normal.blend(small, size.compare(VectorOperators.LT, 0x1p-14f).cast(INT));
    }

    /** The f16 magnitude not above {@code size >= 0}. */
    private static IntVector magnitudeDown(FloatVector size) {
        IntVector normal = size.reinterpretAsInts().lanewise(VectorOperators.LSHR, 13).sub(112 << 10);
        FloatVector multiple = size.mul(0x1p24f);
        FloatVector nearest = multiple.add(GroupCode.ROUND);
        IntVector small = nearest.reinterpretAsInts().sub(ROUND_BITS);
        small = small.sub(1, nearest.sub(GroupCode.ROUND).compare(VectorOperators.GT, multiple).cast(INT));
        return normal.blend(small, size.compare(VectorOperators.LT, 0x1p-14f).cast(INT));
    }
}
