package dev.kvcapsule.codecs.quantizer;

import dev.kvcapsule.engine.kernel.ElementType;

/** Rounding to 16-bit floats in one direction, so that a quantizer's range covers all values. */
public final class DirectedRounding {
    private static final int SIGN = 0x8000;

    private DirectedRounding() {}

    /**
     * The smallest value of a type that is at least x; infinity if there is none.
     *
     * @param x finite
     * @param type f16 or bf16
     * @return its bits
     */
    public static short up(float x, ElementType type) {
        short near = near(x, type);
        return value(near, type) < x ? next(near) : near;
    }

    /** The largest value of a type that is at most x; -infinity if there is none. See {@link #up}. */
    public static short down(float x, ElementType type) {
        return (short) (up(-x, type) ^ SIGN);
    }

    /** The value of some bits. */
    public static float value(short bits, ElementType type) {
        return type == ElementType.BF16 ? Float.intBitsToFloat(bits << 16) : Float.float16ToFloat(bits);
    }

    private static short near(float x, ElementType type) {
        if (type == ElementType.BF16) {
            // Towards zero will do: up() looks at what is left.
            return (short) (Float.floatToRawIntBits(x) >>> 16);
        }
        return Float.floatToFloat16(x);
    }

    /** The next larger value of a number that is neither infinity nor -0, which is never below anything that is rounded to it. */
    private static short next(short bits) {
        return (short) ((bits & SIGN) == 0 ? bits + 1 : bits - 1);
    }
}
