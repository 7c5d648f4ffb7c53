package dev.kvcapsule.engine.kernel;

import static dev.kvcapsule.engine.kernel.CoefficientKernel.BUCKETS_BITS;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.BUCKET_BITS;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.DECAY;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.ENERGIES;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.FIRST_SCALE;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.HALF_OCTAVE;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.OWN_WEIGHT;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.PROBABILITY_BITS;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.SCALES;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.SECOND_ROW;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.STRIPES;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.SYMBOL_BITS;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.SYMBOL_EXPONENT;

/** {@link CoefficientBlocks} in plain loops: the specification. */
final class ScalarCoefficientBlocks implements CoefficientBlocks {
    @Override
    public int contexts(float[] prior, float[] expected, float[] last, float[] beforeLast, int first, int count, float rowScale, float seen, float usual,
            int[] contexts, int[] lowBits) {
        return contexts(prior, expected, last, beforeLast, first, 0, count, rowScale, seen, usual, contexts, lowBits);
    }

    /** From component {@code from} of the block on. */
    static int contexts(float[] prior, float[] expected, float[] last, float[] beforeLast, int first, int from, int count, float rowScale, float seen, float usual,
            int[] contexts, int[] lowBits) {
        int any = 0;
        for (int i = from; i < count; i++) {
            int k = first + i;
            float e = expected[k];
            float num = seen + last[k] + SECOND_ROW * beforeLast[k] + OWN_WEIGHT * e;
            float den = usual + (1 + SECOND_ROW + OWN_WEIGHT) * e;
            int energy = (Float.floatToRawIntBits(num) - Float.floatToRawIntBits(den) + (1 << HALF_OCTAVE - 1) >> HALF_OCTAVE) + ENERGIES / 2;
            int low = Math.max(0, (Float.floatToRawIntBits(prior[k] * rowScale) >>> 23) - SYMBOL_EXPONENT);
            int scale = (Float.floatToRawIntBits(e * rowScale) >>> HALF_OCTAVE) - 2 * low - FIRST_SCALE;
            any |= low;
            lowBits[i] = low;
            contexts[i] = Math.min(Math.max(scale, 0), SCALES - 1) * ENERGIES + Math.min(Math.max(energy, 0), ENERGIES - 1);
        }
        return any;
    }

    @Override
    public void learn(int[] values, float perUnit, int first, int count, float[] expected, float[] past, float[] last, float[] beforeLast, float[] sums) {
        float[] capped = new float[STRIPES];
        float[] usual = new float[STRIPES];
        learn(values, perUnit, first, 0, count, expected, past, last, beforeLast, capped, usual);
        sums[0] = pairs(capped);
        sums[1] = pairs(usual);
    }

    /** From component {@code from} of the block on, a multiple of {@link CoefficientKernel#STRIPES}. */
    static void learn(int[] values, float perUnit, int first, int from, int count, float[] expected, float[] past, float[] last, float[] beforeLast, float[] capped,
            float[] usual) {
        for (int i = from; i < count; i++) {
            int k = first + i;
            float magnitude = Math.abs(values[i]) * perUnit;
            float e = expected[k];
            capped[i % STRIPES] += Math.min(magnitude, 4 * e + 2 * perUnit);
            usual[i % STRIPES] += e;
            past[k] = DECAY * past[k] + magnitude;
            beforeLast[k] = last[k];
            last[k] = magnitude;
        }
    }

    /** The sum of {@link CoefficientKernel#STRIPES} numbers, by pairs of neighbours, pairs of these and so on; {@code terms} then hold anything. */
    static float pairs(float[] terms) {
        for (int half = STRIPES / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                terms[i] = terms[2 * i] + terms[2 * i + 1];
            }
        }
        return terms[0];
    }

    @Override
    public int decode(int[] states, int[] words, int next, int[] starts, int[] entries, int[] contexts, int count, int[] symbols) {
        return decode(states, words, next, starts, entries, contexts, 0, count, symbols);
    }

    /** From lane {@code from} on. Nothing branches on what a lane holds but the search for a symbol, which its bucket mostly settles. */
    static int decode(int[] states, int[] words, int first, int[] starts, int[] entries, int[] contexts, int from, int count, int[] symbols) {
        int next = first;
        for (int i = from; i < count; i++) {
            int x = states[i];
            int slot = x & (1 << PROBABILITY_BITS) - 1;
            int at = starts[(contexts[i] << BUCKETS_BITS) + (slot >>> BUCKET_BITS)];
            int entry = entries[at];
            while (slot - (entry & 0xFFFF) >= entry >>> 16) {
                entry = entries[++at];
            }
            symbols[i] = at & (1 << SYMBOL_BITS) - 1;
            x = (entry >>> 16) * (x >>> PROBABILITY_BITS) + slot - (entry & 0xFFFF);
            // 1 if the state fell below 2^16, without a branch that no processor could foresee.
            int low = (x >>> 16) - 1 >>> 31;
            states[i] = x << 16 * low | words[next] & -low;
            next += low;
        }
        return next;
    }
}
