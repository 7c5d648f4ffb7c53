package dev.kvcapsule.cli;

import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.kernel.Kernels;
import java.util.Set;

/**
 * Which kernels a program that starts, works once and ends should use. Panama kernels are many times slower until C2 has compiled them;
 * scalar ones, whose plain loops C1 already runs well, are done sooner with little work. docs/performance.md has the figures.
 */
final class ColdStart {
    /** From this many raw bytes on, compiling Panama kernels pays. */
    private static final long PANAMA_FROM_BYTES = 512L << 20;

    /** Codecs that multiply matrices: work enough for one file to have those kernels compiled, where the Vector API is there. */
    private static final Set<String> MATRIX_CODECS = Set.of("klt", "kvtc");

    private ColdStart() {}

    static Kernels kernels(CodecSpec codec, long rawBytes) {
        if (MATRIX_CODECS.contains(codec.name()) && !Kernels.isForced() && rawBytes < PANAMA_FROM_BYTES && Kernels.whyNotPanama() == null) {
            return Kernels.scalar().withMatricesOf(Kernels.best());
        }
        return kernels(rawBytes);
    }

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
