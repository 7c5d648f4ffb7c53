package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * MXFP8 blocks of one row-major matrix of floats: a scale byte (E8M0: exponent plus 127) for each 32 channels of a row, the last block of a row
 * possibly shorter, and one E4M3 byte for each channel.
 */
public final class MxBlocks {
    /** Channels that share a scale. */
    public static final int BLOCK = 32;
    private static final int BIAS = 127;
    /** Exponent of the largest power of two that E4M3 has. */
    private static final int TOP_EXPONENT = 8;
    private static final int NAN_SCALE = 255;

    private MxBlocks() {}

    /** Scale bytes of a matrix. */
    public static long scales(int tokens, int width) {
        return (long) tokens * ((width + BLOCK - 1) / BLOCK);
    }

    /**
     * Quantizes.
     *
     * @param floats native segment, binary32 [tokens][width]
     * @param scales native segment of {@link #scales} bytes
     * @param elements native segment, [tokens][width]
     * @return whether every value was finite; if not, the outputs hold anything
     */
    public static boolean quantize(MemorySegment floats, int tokens, int width, MemorySegment scales, MemorySegment elements) {
        float[] block = new float[BLOCK];
        long scale = 0;
        for (int token = 0; token < tokens; token++) {
            for (int channel = 0; channel < width; channel += BLOCK, scale++) {
                int length = Math.min(BLOCK, width - channel);
                long first = (long) token * width + channel;
                MemorySegment.copy(floats, ValueLayout.JAVA_FLOAT, first * Float.BYTES, block, 0, length);
                float largest = 0;
                for (int i = 0; i < length; i++) {
                    float magnitude = Math.abs(block[i]);
                    if (!(magnitude <= Float.MAX_VALUE)) {
                        return false;
                    }
                    largest = Math.max(largest, magnitude);
                }
                int exponent = exponent(largest);
                scales.set(ValueLayout.JAVA_BYTE, scale, (byte) (largest == 0 ? 0 : exponent + BIAS));
                for (int i = 0; i < length; i++) {
                    byte element = largest == 0 ? 0 : Fp8.ofFloat((float) Math.scalb((double) block[i], -exponent));
                    elements.set(ValueLayout.JAVA_BYTE, first + i, element);
                }
            }
        }
        return true;
    }

    private static int exponent(float largest) {
        // A subnormal's exponent is taken from its value, which double holds as a normal number.
        int exponent = Math.getExponent((double) largest) - TOP_EXPONENT;
        if (Math.scalb((double) largest, -exponent) > Fp8.MAX) {
            exponent++;
        }
        return Math.clamp(exponent, -BIAS, BIAS);
    }

    /** The inverse of {@link #quantize}. @return whether scales and elements were numbers; if not, the floats hold anything */
    public static boolean dequantize(MemorySegment scales, MemorySegment elements, int tokens, int width, MemorySegment floats) {
        float[] block = new float[BLOCK];
        long scale = 0;
        for (int token = 0; token < tokens; token++) {
            for (int channel = 0; channel < width; channel += BLOCK, scale++) {
                int length = Math.min(BLOCK, width - channel);
                long first = (long) token * width + channel;
                int biased = scales.get(ValueLayout.JAVA_BYTE, scale) & 0xff;
                if (biased == NAN_SCALE) {
                    return false;
                }
                double factor = Math.scalb(1.0, biased - BIAS);
                for (int i = 0; i < length; i++) {
                    block[i] = (float) (Fp8.toFloat(elements.get(ValueLayout.JAVA_BYTE, first + i)) * factor);
                    if (Float.isNaN(block[i])) {
                        return false;
                    }
                }
                MemorySegment.copy(block, 0, floats, ValueLayout.JAVA_FLOAT, first * Float.BYTES, length);
            }
        }
        return true;
    }
}
