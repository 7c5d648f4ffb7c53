package dev.kvcapsule.codecs.klt;

import java.lang.foreign.MemorySegment;

/** Logarithms of the norms of head rows: with a token's age, what tells how much attention it will be paid. For one thread. */
final class HeadNorms {
    /** Keeps rows of zeros finite. */
    private static final double LEAST_SQUARE = 1e-6;

    private float[] row = new float[0];
    private float[] norms = new float[0];

    /**
     * Computes ln |x| of each head row.
     *
     * @param rows f32 {@code [tokens][width]}, keys as before RoPE
     * @param headDims channels of each head, in the vector's order
     * @return {@code [tokens][headDims.length]}, valid until the next call; what lies beyond is anything
     */
    float[] of(MemorySegment rows, int tokens, int width, int[] headDims) {
        if (row.length < width) {
            row = new float[width];
        }
        if (norms.length < tokens * headDims.length) {
            norms = new float[tokens * headDims.length];
        }
        for (int t = 0; t < tokens; t++) {
            MemorySegment.copy(rows, Transform.FLOAT, 4L * t * width, row, 0, width);
            int channel = 0;
            for (int h = 0; h < headDims.length; h++) {
                norms[t * headDims.length + h] = (float) (0.5 * StrictMath.log(squares(row, channel, headDims[h]) + LEAST_SQUARE));
                channel += headDims[h];
            }
        }
        return norms;
    }

    private static float squares(float[] row, int first, int count) {
        float sum = 0;
        for (int c = first; c < first + count; c++) {
            sum += row[c] * row[c];
        }
        return sum;
    }
}
