package dev.kvcapsule.engine.kernel;

/** One group's parameters and codes: the definition all quantization kernels follow. */
final class GroupCode {
    /** 2^23: adding it to a float in 0 .. 2^22 rounds half to even and leaves the integer in the low mantissa bits. */
    static final float ROUND = 0x1p23f;
    private static final int ROUND_INT = 1 << 23;

    short zero;
    short step;
    float zeroValue;
    float stepValue;
    /** 1 / step, or 0 for a step of 0 (all members are then equal to the zero point, so every code comes out 0). */
    float inverse;
    boolean representable;

    /** Sets the parameters for a group of finite values from {@code min} to {@code max}. */
    void fit(ElementType type, int levels, float min, float max) {
        zero = FloatBits.down16(type, min + 0.0f); // + 0 turns -0 into +0
        zeroValue = FloatBits.from16(type, zero);
        if (zeroValue > min) { // clamped: the group lies below the parameter format
            refuse();
            return;
        }
        float range = max + 0.0f - zeroValue;
        float exact = Float.isInfinite(range) ? max / levels - zeroValue / levels : range / levels;
        step = FloatBits.up16(type, exact);
        stepValue = FloatBits.from16(type, step);
        inverse = stepValue == 0 ? 0 : 1.0f / stepValue;
        float top = zeroValue + stepValue * levels;
        representable = type == ElementType.F16 ? top < 65520f : FloatBits.toBf16(top) < 0x7f80;
    }

    /** Sets the parameters of a group that holds an infinity or NaN, or a value below the parameter format. */
    void refuse() {
        zero = 0;
        step = 0;
        zeroValue = 0;
        stepValue = 0;
        inverse = 0;
        representable = false;
    }

    /** The code of a finite member. */
    int code(float value, int levels) {
        float scaled = Float.isInfinite(inverse) ? (value - zeroValue) / stepValue : (value - zeroValue) * inverse;
        return Math.max(0, Math.min((int) (scaled + ROUND) - ROUND_INT, levels));
    }
}
