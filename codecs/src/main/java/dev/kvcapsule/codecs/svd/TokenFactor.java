package dev.kvcapsule.codecs.svd;

import dev.kvcapsule.codecs.quantizer.DirectedRounding;
import dev.kvcapsule.codecs.quantizer.SignedCodes;
import dev.kvcapsule.engine.kernel.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Quantization of the factor of the tokens: a row's coefficients share a scale.
 *
 * @param tokens rows
 * @param components columns
 * @param bits bits of a code
 */
record TokenFactor(int tokens, int components, int bits) {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Bytes of the codes. */
    long codeBytes() {
        return (long) tokens * components;
    }

    /** Quantizes finite f32 {@code [tokens][components]}. @return false if a scale would be infinite */
    boolean quantize(MemorySegment coefficients, MemorySegment scales, MemorySegment codes) {
        int most = (1 << bits - 1) - 1;
        for (int t = 0; t < tokens; t++) {
            long row = (long) t * components;
            float largest = 0;
            for (int k = 0; k < components; k++) {
                largest = Math.max(largest, Math.abs(coefficients.get(FLOAT, 4 * (row + k))));
            }
            // The exponents of bf16 reach as far as those of binary32; rounded up, so that no code is beyond the largest.
            short half = DirectedRounding.up(largest / most, ElementType.BF16);
            float scale = DirectedRounding.value(half, ElementType.BF16);
            if (!Float.isFinite(scale)) {
                return false;
            }
            scales.set(SHORT, 2L * t, half);
            for (int k = 0; k < components; k++) {
                float value = coefficients.get(FLOAT, 4 * (row + k));
                int code = scale == 0 ? 0 : (int) Math.clamp(Math.rint(value / scale), -most, most);
                codes.set(ValueLayout.JAVA_BYTE, row + k, SignedCodes.fold(code));
            }
        }
        return true;
    }

    /** Restores f32 {@code [tokens][components]}. @return false if a scale is not finite */
    boolean dequantize(MemorySegment scales, MemorySegment codes, MemorySegment coefficients) {
        for (int t = 0; t < tokens; t++) {
            long row = (long) t * components;
            float scale = DirectedRounding.value(scales.get(SHORT, 2L * t), ElementType.BF16);
            if (!Float.isFinite(scale)) {
                return false;
            }
            for (int k = 0; k < components; k++) {
                coefficients.set(FLOAT, 4 * (row + k), scale * SignedCodes.unfold(codes.get(ValueLayout.JAVA_BYTE, row + k)));
            }
        }
        return true;
    }
}
