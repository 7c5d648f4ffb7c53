package dev.kvcapsule.serving.llamacpp.runtime;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * ggml's "K" weight formats Q4_K, Q5_K and Q6_K (ggml-common.h and ggml-quants.c of llama.cpp describe them): super-blocks of 256 elements.
 * Q4_K and Q5_K: f16 d and f16 dmin, then for each of 8 sub-blocks of 32 a 6-bit scale and a 6-bit minimum in 12 bytes, then (Q5_K) the fifth bits
 * of all elements in 32 bytes, then the low four bits in 128: an element is d scale q - dmin minimum. Q6_K: the low four bits in 128 bytes, the
 * upper two in 64, 16 int8 scales, f16 d: an element is d scale (q - 32).
 */
final class KQuantBlocks {
    static final int BLOCK = 256;
    static final int Q4_K_BYTES = 144;
    static final int Q5_K_BYTES = 176;
    static final int Q6_K_BYTES = 210;

    private static final int SUB_BLOCK = 32;
    private static final int SCALES = 4;
    private static final int SCALE_BYTES = 12;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private KQuantBlocks() {}

    private static float f16(MemorySegment in, long at) {
        return Float.float16ToFloat(in.get(SHORT, at));
    }

    private static int u8(MemorySegment in, long at) {
        return in.get(ValueLayout.JAVA_BYTE, at) & 0xff;
    }

    /** The 6-bit scale of a sub-block: the low six bits of byte s, or for the upper four sub-blocks nibble and two bits from elsewhere. */
    private static int scale(MemorySegment in, long scales, int s) {
        return s < 4 ? u8(in, scales + s) & 63 : u8(in, scales + s + 4) & 15 | u8(in, scales + s - 4) >> 6 << 4;
    }

    /** The 6-bit minimum of a sub-block. */
    private static int minimum(MemorySegment in, long scales, int s) {
        return s < 4 ? u8(in, scales + s + 4) & 63 : u8(in, scales + s + 4) >> 4 | u8(in, scales + s) >> 6 << 4;
    }

    /** One block of Q4_K at {@code at} to 256 floats from {@code to} on. */
    static void q4(MemorySegment in, long at, float[] out, int to) {
        lowNibbles(in, at, at + SCALES + SCALE_BYTES, -1, out, to);
    }

    /** One block of Q5_K. */
    static void q5(MemorySegment in, long at, float[] out, int to) {
        long high = at + SCALES + SCALE_BYTES;
        lowNibbles(in, at, high + SUB_BLOCK, high, out, to);
    }

    private static void lowNibbles(MemorySegment in, long at, long low, long high, float[] out, int to) {
        float d = f16(in, at);
        float dmin = f16(in, at + 2);
        for (int s = 0; s < BLOCK / SUB_BLOCK; s++) {
            float scale = d * scale(in, at + SCALES, s);
            float minimum = dmin * minimum(in, at + SCALES, s);
            // Two sub-blocks share 32 bytes, the first in the low nibbles.
            long nibbles = low + s / 2 * SUB_BLOCK;
            int shift = s % 2 * 4;
            for (int i = 0; i < SUB_BLOCK; i++) {
                int q = u8(in, nibbles + i) >> shift & 15;
                if (high >= 0) {
                    q |= (u8(in, high + i) >> s & 1) << 4;
                }
                out[to + s * SUB_BLOCK + i] = scale * q - minimum;
            }
        }
    }

    /** One block of Q6_K. */
    static void q6(MemorySegment in, long at, float[] out, int to) {
        float d = f16(in, at + 208);
        for (int half = 0; half < 2; half++) {
            long low = at + 64L * half;
            long high = at + 128 + 32L * half;
            long scales = at + 192 + 8L * half;
            for (int quarter = 0; quarter < 4; quarter++) {
                for (int i = 0; i < SUB_BLOCK; i++) {
                    int q = u8(in, low + quarter % 2 * 32 + i) >> quarter / 2 * 4 & 15 | (u8(in, high + i) >> 2 * quarter & 3) << 4;
                    float scale = d * in.get(ValueLayout.JAVA_BYTE, scales + quarter * 2 + i / 16);
                    out[to + half * 128 + quarter * SUB_BLOCK + i] = scale * (q - 32);
                }
            }
        }
    }
}
