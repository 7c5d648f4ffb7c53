package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.codecs.quantizer.DirectedRounding;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Fp8;

/** Quantizes one token's coefficients of one group: value = shift + scale x code, shift and scale in f16. */
final class GroupQuantizer {
    private short shiftBits;
    private short scaleBits;
    private float shift;
    private float scale;

    /** Chooses shift and scale for some values. @return false if there are none */
    boolean fit(float[] values, int from, int size, GroupType type) {
        float min = Float.POSITIVE_INFINITY;
        float max = Float.NEGATIVE_INFINITY;
        for (int i = from; i < from + size; i++) {
            // Adding +0 makes a zero of either sign +0.
            min = Math.min(min, values[i] + 0f);
            max = Math.max(max, values[i] + 0f);
        }
        if (type == GroupType.FP8) {
            shiftBits = Float.floatToFloat16((min + max) / 2);
            shift = Float.float16ToFloat(shiftBits);
            scaleBits = DirectedRounding.up(Math.max(max - shift, shift - min) / Fp8.MAX, ElementType.F16);
        } else {
            shiftBits = DirectedRounding.down(min, ElementType.F16);
            shift = Float.float16ToFloat(shiftBits);
            scaleBits = DirectedRounding.up((max - shift) / type.levels(), ElementType.F16);
        }
        scale = Float.float16ToFloat(scaleBits);
        return Float.isFinite(shift) && Float.isFinite(scale);
    }

    short shiftBits() {
        return shiftBits;
    }

    short scaleBits() {
        return scaleBits;
    }

    /** The code of a value that {@link #fit} has seen. */
    int code(float value, GroupType type) {
        if (scale == 0) {
            return 0;
        }
        float place = (value - shift) / scale;
        return type == GroupType.FP8 ? Byte.toUnsignedInt(Fp8.ofFloat(place)) : (int) Math.clamp(Math.rint(place), 0, type.levels());
    }

    /** What a code stands for; NaN if for nothing. */
    static float value(float shift, float scale, int code, GroupType type) {
        return shift + scale * (type == GroupType.FP8 ? Fp8.toFloat((byte) code) : code);
    }

    /** The squared error of some values; infinite if they cannot be kept that way. */
    double error(float[] values, int from, int size, GroupType type) {
        double sum = 0;
        boolean kept = type != GroupType.NONE;
        if (kept && !fit(values, from, size, type)) {
            return Double.POSITIVE_INFINITY;
        }
        for (int i = from; i < from + size; i++) {
            double difference = values[i] - (kept ? value(shift, scale, code(values[i], type), type) : 0);
            sum += difference * difference;
        }
        return sum;
    }
}
