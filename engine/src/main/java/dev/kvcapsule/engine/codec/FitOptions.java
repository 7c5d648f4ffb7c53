package dev.kvcapsule.engine.codec;

import dev.kvcapsule.engine.kernel.Kernels;

/**
 * What a codec may use while it is fitted to a cache.
 *
 * @param threads threads, at least 1; the result does not depend on them
 * @param kernels kernels to run on
 * @param bases where shared bases are found
 */
public record FitOptions(int threads, Kernels kernels, Bases bases) {}
