package dev.kvcapsule.engine.kernel;

/**
 * OCP 8-bit floating point E4M3 (Micikevicius et al., arXiv 2209.05433): sign, 4 exponent bits with bias 7, 3 mantissa bits; no infinities,
 * 0x7F and 0xFF are NaN, the largest finite value is 448.
 */
public final class Fp8 {
    /** Largest finite value. */
    public static final float MAX = 448;

    private static final byte NAN = 0x7F;
    private static final int MAX_CODE = 0x7E;
    private static final float[] VALUES = values();

    private Fp8() {}

    private static float[] values() {
        float[] values = new float[256];
        for (int code = 0; code < 256; code++) {
            int exponent = code >>> 3 & 15;
            int mantissa = code & 7;
            float magnitude = exponent == 0 ? Math.scalb((float) mantissa, -9) : Math.scalb(8f + mantissa, exponent - 10);
            if ((code & 0x7F) == NAN) {
                magnitude = Float.NaN;
            }
            values[code] = code < 128 ? magnitude : -magnitude;
        }
        return values;
    }

    /** The value of a code; every code has one. */
    public static float toFloat(byte code) {
        return VALUES[code & 0xff];
    }

    /** The nearest code, ties to even; beyond {@link #MAX} the largest of that sign; NaN for NaN. */
    public static byte ofFloat(float value) {
        if (Float.isNaN(value)) {
            return NAN;
        }
        int sign = Float.floatToRawIntBits(value) >>> 24 & 0x80;
        float magnitude = Math.abs(value);
        if (magnitude >= MAX) {
            return (byte) (sign | MAX_CODE);
        }
        // The spacing of codes is 2^-9 below 2^-6 and an eighth of the power of two above it; rint rounds ties to even.
        int exponent = Math.max(Math.getExponent(magnitude), -6);
        int steps = (int) Math.rint(Math.scalb(magnitude, 3 - exponent));
        // Eight steps make a normal number of that exponent, sixteen carry into the next one; both follow from addition.
        return (byte) (sign | (exponent + 6 << 3) + steps);
    }
}
