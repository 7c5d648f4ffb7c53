package dev.kvcapsule.cli;

import dev.kvcapsule.engine.kernel.Kernels;

/**
 * Which kernels a program that starts, works once and ends should use. Panama kernels are many times slower until C2 has compiled them;
 * scalar ones, whose plain loops C1 already runs well, are done sooner with little work. docs/performance.md has the figures.
 */
final class ColdStart {
    /** From this many raw bytes on, compiling Panama kernels pays. */
    private static final long PANAMA_FROM_BYTES = 512L << 20;

    private ColdStart() {}

    static Kernels kernels(long rawBytes) {
        if (Kernels.isForced() || rawBytes >= PANAMA_FROM_BYTES) {
            try {
                return Kernels.best();
            } catch (IllegalStateException e) {
                throw new Failures.UsageException(e.getMessage());
            }
        }
        return Kernels.scalar();
    }
}
