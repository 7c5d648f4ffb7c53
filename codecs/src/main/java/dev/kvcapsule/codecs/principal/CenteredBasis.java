package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.kernel.VectorKernel;
import java.lang.foreign.MemorySegment;

/**
 * What turns vectors x into coefficients c and back: c = U (x - mean), x = mean + U^T c. All arithmetic is in an order of its own, the same on any machine.
 *
 * @param mean [width]
 * @param components rows of U, orthonormal up to quantization
 */
public record CenteredBasis(float[] mean, TransformBasis components) {
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
        kernels.vectors().combine(VectorKernel.Step.SUBTRACT, rows, tokens, mean, rows);
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
        kernels.vectors().spread(mean, tokens, rows);
        kernels.transform().synthesize(components.range(0, count), coefficients, 0, count, rows, 0, width, tokens, scratch);
    }
}
