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

    /** Codecs whose products are with a basis, which would cross a device's bus again with every call: docs/cuda.md, "Not done". */
    private static final Set<String> BASIS_CODECS = Set.of("klt", "kvtc", "svd");

    private ColdStart() {}

    /** Why a device is not taken for a codec unless it is asked for; null if it is. */
    static String whyNoDevice(CodecSpec codec) {
        return BASIS_CODECS.contains(codec.name()) ? "the basis of " + codec.name() + " would cross the bus with every product; --device cuda does that" : null;
    }

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
