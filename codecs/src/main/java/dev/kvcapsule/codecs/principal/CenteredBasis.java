package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * What turns vectors x into coefficients c and back: c = U (x - mean), x = mean + U^T c. All arithmetic is in an order of its own, the same on any machine.
 *
 * @param mean [width]
 * @param components rows of U, orthonormal up to quantization
 */
public record CenteredBasis(float[] mean, TransformBasis components) {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Channels of a vector. */
    public int width() {
        return mean.length;
    }

    /**
     * Projects vectors on the first components.
     *
     * @param rows f32 {@code [tokens][width]}; holds anything afterwards
     * @param coefficients receives f32 {@code [tokens][count]}
     */
    public void project(Kernels kernels, MemorySegment rows, int tokens, int count, MemorySegment coefficients, TransformScratch scratch) {
        int width = width();
        for (int t = 0; t < tokens; t++) {
            for (int w = 0; w < width; w++) {
                long at = 4 * ((long) t * width + w);
                rows.set(FLOAT, at, rows.get(FLOAT, at) - mean[w]);
            }
        }
        kernels.transform().analyze(components.range(0, count), rows, 0, width, coefficients, 0, count, tokens, scratch);
    }

    /**
     * Restores vectors from their first coefficients.
     *
     * @param coefficients f32 {@code [tokens][count]}
     * @param rows receives f32 {@code [tokens][width]}
     */
    public void restore(Kernels kernels, MemorySegment coefficients, int tokens, int count, MemorySegment rows, TransformScratch scratch) {
        int width = width();
        for (int t = 0; t < tokens; t++) {
            MemorySegment.copy(mean, 0, rows, FLOAT, 4L * t * width, width);
        }
        kernels.transform().synthesize(components.range(0, count), coefficients, 0, count, rows, 0, width, tokens, scratch);
    }
}
