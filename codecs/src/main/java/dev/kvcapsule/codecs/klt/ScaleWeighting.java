package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.MemorySegment;

/**
 * One factor a column.
 *
 * @param deviations what a unit of the weighted space is in each column, [width]; finite and positive
 */
record ScaleWeighting(float[] deviations) implements Weighting {
    @Override
    public void forward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch) {
        int width = deviations.length;
        for (int t = 0; t < tokens; t++) {
            long row = 4L * t * width;
            for (int w = 0; w < width; w++) {
                out.set(Transform.FLOAT, row + 4L * w, rows.get(Transform.FLOAT, row + 4L * w) / deviations[w]);
            }
        }
    }

    @Override
    public void backward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch) {
        int width = deviations.length;
        for (int t = 0; t < tokens; t++) {
            long row = 4L * t * width;
            for (int w = 0; w < width; w++) {
                out.set(Transform.FLOAT, row + 4L * w, rows.get(Transform.FLOAT, row + 4L * w) * deviations[w]);
            }
        }
    }
}
