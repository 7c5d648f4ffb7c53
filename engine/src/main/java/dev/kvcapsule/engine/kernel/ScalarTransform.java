package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** {@link TransformKernel} with plain loops on arrays, which C2 vectorizes by itself: the readable specification. */
public final class ScalarTransform implements TransformKernel {
    /** Tokens that share one dequantized row of the basis. */
    private static final int TOKENS = 64;

    /** Creates the kernel; it has no state. */
    public ScalarTransform() {}

    @Override
    public void synthesize(TransformBasis basis, MemorySegment coefficients, long from, long fromStride, MemorySegment rows, long to, long toStride, int tokens,
            TransformScratch scratch) {
        TransformBounds.checkSynthesis(basis, coefficients, from, fromStride, rows, to, toStride, tokens);
        int width = basis.width();
        float[] row = scratch.first(width);
        float[] sums = scratch.second(Math.multiplyExact(TOKENS, width));
        for (int start = 0; start < tokens; start += TOKENS) {
            int count = Math.min(TOKENS, tokens - start);
            for (int t = 0; t < count; t++) {
                MemorySegment.copy(rows, Bounds.FLOAT, to + 4 * (start + t) * toStride, sums, t * width, width);
            }
            for (int k = 0; k < basis.components(); k++) {
                dequantize(basis, k, row);
                for (int t = 0; t < count; t++) {
                    float c = coefficients.get(Bounds.FLOAT, from + 4 * ((start + t) * fromStride + k));
                    if (c != 0) {
                        add(c, row, sums, t * width, width);
                    }
                }
            }
            for (int t = 0; t < count; t++) {
                positiveZeros(sums, t * width, width);
                MemorySegment.copy(sums, t * width, rows, Bounds.FLOAT, to + 4 * (start + t) * toStride, width);
            }
        }
    }

    @Override
    public void analyze(TransformBasis basis, MemorySegment rows, long from, long fromStride, MemorySegment coefficients, long to, long toStride, int tokens,
            TransformScratch scratch) {
        TransformBounds.checkAnalysis(basis, rows, from, fromStride, coefficients, to, toStride, tokens);
        int width = basis.width();
        float[] row = scratch.first(width);
        float[] transposed = scratch.second(Math.multiplyExact(TOKENS, width));
        float[] sums = new float[TOKENS];
        for (int start = 0; start < tokens; start += TOKENS) {
            int count = Math.min(TOKENS, tokens - start);
            for (int t = 0; t < count; t++) {
                MemorySegment.copy(rows, Bounds.FLOAT, from + 4 * (start + t) * fromStride, row, 0, width);
                for (int w = 0; w < width; w++) {
                    transposed[w * TOKENS + t] = row[w];
                }
            }
            for (int k = 0; k < basis.components(); k++) {
                dequantize(basis, k, row);
                project(transposed, row, width, sums);
                positiveZeros(sums, 0, TOKENS);
                for (int t = 0; t < count; t++) {
                    coefficients.set(Bounds.FLOAT, to + 4 * ((start + t) * toStride + k), sums[t]);
                }
            }
        }
    }

    private static void dequantize(TransformBasis basis, int k, float[] row) {
        long at = (long) k * basis.width();
        for (int w = 0; w < basis.width(); w += TransformBasis.RUN) {
            float scale = basis.scale(k, w / TransformBasis.RUN);
            int end = Math.min(basis.width(), w + TransformBasis.RUN);
            for (int i = w; i < end; i++) {
                row[i] = scale * basis.codes().get(ValueLayout.JAVA_BYTE, at + i);
            }
        }
    }

    private static void add(float c, float[] row, float[] sums, int at, int width) {
        for (int w = 0; w < width; w++) {
            sums[at + w] = Math.fma(c, row[w], sums[at + w]);
        }
    }

    private static void project(float[] transposed, float[] row, int width, float[] sums) {
        Arrays.fill(sums, 0);
        for (int w = 0; w < width; w++) {
            float u = row[w];
            for (int t = 0; t < TOKENS; t++) {
                sums[t] = Math.fma(u, transposed[w * TOKENS + t], sums[t]);
            }
        }
    }

    /** -0 + 0 is 0; any other value stays as it is. */
    private static void positiveZeros(float[] values, int at, int count) {
        for (int i = at; i < at + count; i++) {
            values[i] += 0f;
        }
    }
}
