package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.kernel.VectorKernel;
import java.lang.foreign.MemorySegment;

/**
 * One factor a column.
 *
 * @param deviations what a unit of the weighted space is in each column, [width]; finite and positive
 */
record ScaleWeighting(float[] deviations) implements Weighting {
    @Override
    public void forward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch) {
        kernels.vectors().combine(VectorKernel.Step.DIVIDE, rows, tokens, deviations, out);
    }

    @Override
    public void backward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch) {
        kernels.vectors().combine(VectorKernel.Step.MULTIPLY, rows, tokens, deviations, out);
    }
}
