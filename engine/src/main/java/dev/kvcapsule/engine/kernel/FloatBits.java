package dev.kvcapsule.engine.kernel;

/** Bit-level rounding of one value between binary32 and the 16-bit formats: the scalar definition that vector code must match. */
final class FloatBits {
    private static final int F16_MAX = 0x7bff;
    private static final int BF16_MAX = 0x7f7f;

    private FloatBits() {}

    /** bf16 by round-half-to-even; a NaN stays a NaN (quiet, upper payload kept). */
    static short toBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (value != value) {
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    static float fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    static float from16(ElementType type, short bits) {
        return type == ElementType.F16 ? Float.float16ToFloat(bits) : fromBf16(bits);
    }

    /** The value rounded half to even, a result beyond the format's range clamped to its largest finite value. */
    static short nearest16(ElementType type, float value) {
        short bits = type == ElementType.F16 ? Float.floatToFloat16(value) : toBf16(value);
        int max = type == ElementType.F16 ? F16_MAX : BF16_MAX;
        return (bits & 0x7fff) > max ? (short) ((bits & 0x8000) | max) : bits;
    }

    /** {@return the largest finite value} */
    static float largest16(ElementType type) {
        return from16(type, (short) (type == ElementType.F16 ? F16_MAX : BF16_MAX));
    }

    /** The largest 16-bit value that is not above a finite {@code value}; below the range, the lowest finite value. */
    static short down16(ElementType type, float value) {
        int bits = Float.floatToRawIntBits(value);
        if (type == ElementType.BF16) {
            if (bits >= 0) {
                return (short) (bits >>> 16);
            }
            return (short) (0x8000 | Math.min(((bits & 0x7fffffff) + 0xffff) >>> 16, BF16_MAX));
        }
        int half = Float.floatToFloat16(value) & 0xffff;
        if (Float.float16ToFloat((short) half) > value) {
            half = half == 0 ? 0x8001 : half < 0x8000 ? half - 1 : half + 1;
        }
        return (short) (half == 0xfc00 ? 0xfbff : half);
    }

    /** The smallest 16-bit value that is not below a finite {@code value >= 0}; above the range, the largest finite value. */
    static short up16(ElementType type, float value) {
        int bits = Float.floatToRawIntBits(value);
        if (type == ElementType.BF16) {
            return (short) Math.min((bits + 0xffff) >>> 16, BF16_MAX);
        }
        int half = Float.floatToFloat16(value);
        if (Float.float16ToFloat((short) half) < value) {
            half++;
        }
        return (short) Math.min(half, F16_MAX);
    }
}
