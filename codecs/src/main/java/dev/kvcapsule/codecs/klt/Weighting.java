package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.MemorySegment;

/**
 * A linear map of token vectors into a space in which equal error means equal harm, and back. Block-diagonal: heads do not mix. Only the way back is
 * stored; encoders invert it.
 */
interface Weighting {
    /**
     * Computes what {@link #forward} needs.
     *
     * @throws ArithmeticException if there is no way in
     */
    default void prepareForward() {}

    /** Into the weighted space: f32 {@code [tokens][width]} from {@code rows} to {@code out}, which are apart. */
    void forward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch);

    /** The way back. */
    void backward(Kernels kernels, MemorySegment rows, int tokens, MemorySegment out, TransformScratch scratch);
}
