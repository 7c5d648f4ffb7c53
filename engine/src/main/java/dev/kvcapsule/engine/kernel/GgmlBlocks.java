package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.cache.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The block formats of ggml (ggml-common.h and ggml-quants.c of llama.cpp describe them): 32 channels with an f16 scale d and, for the "_1"
 * types, an f16 minimum m. Elements j and j + 16 share a byte: j in its low, j + 16 in its high nibble; 5-bit types keep the fifth bits of
 * elements 0..31 in a little-endian 32-bit word.
 */
public final class GgmlBlocks {
    private static final int BLOCK = 32;
    private static final int HALF = BLOCK / 2;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** The non-linear levels of iq4_nl. */
    private static final byte[] IQ4_NL_LEVELS = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    private GgmlBlocks() {}

    /**
     * Blocks to floats.
     *
     * @param blocks whole blocks of {@code type} from {@code blockOffset} on
     * @param elements a multiple of 32
     * @param floats receives {@code elements} floats from {@code floatOffset} on
     */
    public static void dequantize(DType type, MemorySegment blocks, long blockOffset, long elements, MemorySegment floats, long floatOffset) {
        float[] values = new float[BLOCK];
        long block = blockOffset;
        for (long i = 0; i < elements; i += BLOCK, block += type.blockBytes()) {
            dequantizeBlock(type, blocks, block, values);
            MemorySegment.copy(values, 0, floats, FLOAT, floatOffset + i * Float.BYTES, BLOCK);
        }
    }

    private static void dequantizeBlock(DType type, MemorySegment in, long at, float[] out) {
        float d = f16(in, at);
        switch (type) {
            case Q8_0 -> {
                for (int j = 0; j < BLOCK; j++) {
                    out[j] = in.get(ValueLayout.JAVA_BYTE, at + 2 + j) * d;
                }
            }
            case Q4_0 -> {
                for (int j = 0; j < HALF; j++) {
                    int pair = in.get(ValueLayout.JAVA_BYTE, at + 2 + j);
                    out[j] = ((pair & 15) - 8) * d;
                    out[j + HALF] = ((pair >> 4 & 15) - 8) * d;
                }
            }
            case Q4_1 -> {
                float m = f16(in, at + 2);
                for (int j = 0; j < HALF; j++) {
                    int pair = in.get(ValueLayout.JAVA_BYTE, at + 4 + j);
                    out[j] = (pair & 15) * d + m;
                    out[j + HALF] = (pair >> 4 & 15) * d + m;
                }
            }
            case Q5_0 -> {
                int high = in.get(INT, at + 2);
                for (int j = 0; j < HALF; j++) {
                    int pair = in.get(ValueLayout.JAVA_BYTE, at + 6 + j);
                    out[j] = (five(pair & 15, high, j) - 16) * d;
                    out[j + HALF] = (five(pair >> 4 & 15, high, j + HALF) - 16) * d;
                }
            }
            case Q5_1 -> {
                float m = f16(in, at + 2);
                int high = in.get(INT, at + 4);
                for (int j = 0; j < HALF; j++) {
                    int pair = in.get(ValueLayout.JAVA_BYTE, at + 8 + j);
                    out[j] = five(pair & 15, high, j) * d + m;
                    out[j + HALF] = five(pair >> 4 & 15, high, j + HALF) * d + m;
                }
            }
            case IQ4_NL -> {
                for (int j = 0; j < HALF; j++) {
                    int pair = in.get(ValueLayout.JAVA_BYTE, at + 2 + j);
                    out[j] = IQ4_NL_LEVELS[pair & 15] * d;
                    out[j + HALF] = IQ4_NL_LEVELS[pair >> 4 & 15] * d;
                }
            }
            default -> throw new IllegalArgumentException(type.label() + " is not a block type");
        }
    }

    /**
     * Floats to blocks, as ggml's reference quantizers do it: the scale from the element of largest magnitude ("_0" types) or from the range
     * ("_1" types), rounding half up; iq4_nl takes the nearest level under the scale that puts the largest element on the outermost level.
     *
     * @param floats finite values, {@code elements} of them from {@code floatOffset} on
     * @param elements a multiple of 32
     */
    public static void quantize(DType type, MemorySegment floats, long floatOffset, long elements, MemorySegment blocks, long blockOffset) {
        float[] values = new float[BLOCK];
        long block = blockOffset;
        for (long i = 0; i < elements; i += BLOCK, block += type.blockBytes()) {
            MemorySegment.copy(floats, FLOAT, floatOffset + i * Float.BYTES, values, 0, BLOCK);
            quantizeBlock(type, values, blocks, block);
        }
    }

    private static void quantizeBlock(DType type, float[] x, MemorySegment out, long at) {
        float extreme = 0;
        float min = Float.POSITIVE_INFINITY;
        float max = Float.NEGATIVE_INFINITY;
        for (float value : x) {
            if (Math.abs(value) > Math.abs(extreme)) {
                extreme = value;
            }
            min = Math.min(min, value);
            max = Math.max(max, value);
        }
        switch (type) {
            case Q8_0 -> {
                float d = Math.abs(extreme) / 127;
                float inverse = inverse(d);
                putF16(out, at, d);
                for (int j = 0; j < BLOCK; j++) {
                    out.set(ValueLayout.JAVA_BYTE, at + 2 + j, (byte) roundAway(x[j] * inverse));
                }
            }
            case Q4_0 -> {
                float d = extreme / -8;
                float inverse = inverse(d);
                putF16(out, at, d);
                for (int j = 0; j < HALF; j++) {
                    putPair(out, at + 2 + j, clip(x[j] * inverse + 8.5f, 15), clip(x[j + HALF] * inverse + 8.5f, 15));
                }
            }
            case Q4_1 -> {
                float d = (max - min) / 15;
                float inverse = inverse(d);
                putF16(out, at, d);
                putF16(out, at + 2, min);
                for (int j = 0; j < HALF; j++) {
                    putPair(out, at + 4 + j, clip((x[j] - min) * inverse + 0.5f, 15), clip((x[j + HALF] - min) * inverse + 0.5f, 15));
                }
            }
            case Q5_0 -> {
                float d = extreme / -16;
                float inverse = inverse(d);
                putF16(out, at, d);
                int high = 0;
                for (int j = 0; j < HALF; j++) {
                    int low = clip(x[j] * inverse + 16.5f, 31);
                    int upper = clip(x[j + HALF] * inverse + 16.5f, 31);
                    putPair(out, at + 6 + j, low & 15, upper & 15);
                    high |= low >>> 4 << j | upper >>> 4 << j + HALF;
                }
                out.set(INT, at + 2, high);
            }
            case Q5_1 -> {
                float d = (max - min) / 31;
                float inverse = inverse(d);
                putF16(out, at, d);
                putF16(out, at + 2, min);
                int high = 0;
                for (int j = 0; j < HALF; j++) {
                    int low = clip((x[j] - min) * inverse + 0.5f, 31);
                    int upper = clip((x[j + HALF] - min) * inverse + 0.5f, 31);
                    putPair(out, at + 8 + j, low & 15, upper & 15);
                    high |= low >>> 4 << j | upper >>> 4 << j + HALF;
                }
                out.set(INT, at + 4, high);
            }
            case IQ4_NL -> {
                float d = extreme / IQ4_NL_LEVELS[0];
                float inverse = inverse(d);
                putF16(out, at, d);
                for (int j = 0; j < HALF; j++) {
                    putPair(out, at + 2 + j, nearestLevel(x[j] * inverse), nearestLevel(x[j + HALF] * inverse));
                }
            }
            default -> throw new IllegalArgumentException(type.label() + " is not a block type");
        }
    }

    private static int five(int low, int high, int bit) {
        return low | (high >>> bit & 1) << 4;
    }

    /** C's roundf: halves away from zero. */
    private static int roundAway(float value) {
        return (int) (value < 0 ? Math.ceil(value - 0.5) : Math.floor(value + 0.5));
    }

    private static int clip(float value, int max) {
        return Math.clamp((int) value, 0, max);
    }

    private static int nearestLevel(float value) {
        int level = 0;
        while (level < 15 && value - IQ4_NL_LEVELS[level] > IQ4_NL_LEVELS[level + 1] - value) {
            level++;
        }
        return level;
    }

    /** 1 / d, or 0 where d is 0: then every element is 0. */
    private static float inverse(float d) {
        return d == 0 ? 0 : 1 / d;
    }

    private static void putPair(MemorySegment out, long at, int low, int high) {
        out.set(ValueLayout.JAVA_BYTE, at, (byte) (low | high << 4));
    }

    private static float f16(MemorySegment in, long at) {
        return Float.float16ToFloat(in.get(SHORT, at));
    }

    private static void putF16(MemorySegment out, long at, float value) {
        out.set(SHORT, at, Float.floatToFloat16(value));
    }
}
