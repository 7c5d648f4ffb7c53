package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.kernel.Kernels;

/**
 * How to run; nothing here changes the bytes that come out.
 *
 * @param threads worker threads, at least 1
 * @param kernels kernels to run on
 * @param progress hears how far it is
 * @param bases where shared bases are found
 */
public record PipelineOptions(int threads, Kernels kernels, Progress progress, Bases bases) {
    /** A thread for each processor, the best kernels, no progress. */
    public static PipelineOptions defaults() {
        return new PipelineOptions(Runtime.getRuntime().availableProcessors(), Kernels.best(), Progress.NONE);
    }

    /** No shared bases. */
    public PipelineOptions(int threads, Kernels kernels, Progress progress) {
        this(threads, kernels, progress, Bases.NONE);
    }

    /** @throws IllegalArgumentException if there is no thread */
    public PipelineOptions {
        if (threads < 1) {
            throw new IllegalArgumentException("at least one thread is needed, not " + threads);
        }
    }

    /** The same with another progress. */
    public PipelineOptions with(Progress other) {
        return new PipelineOptions(threads, kernels, other, bases);
    }
}
