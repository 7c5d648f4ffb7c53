package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientCoder;
import java.lang.foreign.MemorySegment;

/** Projections to multiples of a step and back, row by row through an array, as {@link RowLoops} does it. For one thread. */
final class StepQuantizer {
    /** 1.5 x 2^23: added to a number of magnitude below 2^22, it rounds it to the nearest integer, half to even, which is then in the lowest bits. */
    private static final float ROUNDER = 0x1.8p23f;

    private float[] row = new float[0];
    private int[] codes = new int[0];

    /** The codes of the last call; those beyond what it made hold anything. */
    int[] codes() {
        return codes;
    }

    /** Makes room. @return {@link #codes} of at least that many */
    int[] reserve(int tokens, int components) {
        int count = Math.multiplyExact(tokens, components);
        if (codes.length < count) {
            codes = new int[count];
        }
        if (row.length < components) {
            row = new float[components];
        }
        return codes;
    }

    /**
     * Rounds {@code value * (1 / steps[token])}, half to even, into {@link #codes}.
     *
     * @param projection f32 {@code [tokens][components]}
     * @return number of the last component that is not always 0, plus 1; or -1 if a code would be too large
     */
    int quantize(MemorySegment projection, int tokens, int components, float[] steps) {
        reserve(tokens, components);
        int used = 0;
        for (int t = 0; t < tokens; t++) {
            MemorySegment.copy(projection, Transform.FLOAT, 4L * t * components, row, 0, components);
            if (!scale(row, components, 1 / steps[t])) {
                return -1;
            }
            int at = t * components;
            round(row, components, codes, at);
            int last = components;
            while (last > used && codes[at + last - 1] == 0) {
                last--;
            }
            used = last;
        }
        return used;
    }

    /** @return whether all products are small enough */
    private static boolean scale(float[] row, int count, float perStep) {
        int wrong = 0;
        for (int k = 0; k < count; k++) {
            float value = row[k] * perStep;
            row[k] = value;
            wrong |= Math.abs(value) < CoefficientCoder.MAX_MAGNITUDE ? 0 : 1;
        }
        return wrong == 0;
    }

    private static void round(float[] row, int count, int[] codes, int at) {
        for (int k = 0; k < count; k++) {
            codes[at + k] = (int) (row[k] + ROUNDER - ROUNDER);
        }
    }

    /** {@code code * steps[token]} of all {@link #codes}, f32. */
    void restore(int tokens, int components, float[] steps, MemorySegment projection) {
        for (int t = 0; t < tokens; t++) {
            multiply(codes, t * components, steps[t], row, components);
            MemorySegment.copy(row, 0, projection, Transform.FLOAT, 4L * t * components, components);
        }
    }

    private static void multiply(int[] codes, int at, float step, float[] row, int count) {
        for (int k = 0; k < count; k++) {
            row[k] = codes[at + k] * step;
        }
    }
}
