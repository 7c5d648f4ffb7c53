package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.MemorySegment;

/** Logarithms of the norms of head rows: with a token's age, what tells how much attention it will be paid. For one thread. */
final class HeadNorms {
    /** Keeps rows of zeros finite. */
    private static final double LEAST_SQUARE = 1e-6;

    private float[] norms = new float[0];

    /**
     * Computes ln |x| of each head row.
     *
     * @param rows f32 {@code [tokens][width]}, keys as before RoPE
     * @param headDims channels of each head, in the vector's order
     * @return {@code [tokens][headDims.length]}, valid until the next call; what lies beyond is anything
     */
    float[] of(Kernels kernels, MemorySegment rows, int tokens, int[] headDims) {
        int count = tokens * headDims.length;
        if (norms.length < count) {
            norms = new float[count];
        }
        kernels.vectors().headSquares(rows, tokens, headDims, norms);
        for (int i = 0; i < count; i++) {
            norms[i] = (float) (0.5 * StrictMath.log(norms[i] + LEAST_SQUARE));
        }
        return norms;
    }
}
