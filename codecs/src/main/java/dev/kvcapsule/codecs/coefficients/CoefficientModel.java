package dev.kvcapsule.codecs.coefficients;

/**
 * Predicts magnitudes of coefficients and turns the prediction into a context. Encoder and decoder run the same model, so every number here is a
 * binary32 result of single operations in a fixed order: the same on any machine.
 *
 * <p>Coefficients come row by row (a row is a token) and in a row in blocks of {@value #BLOCK} components. What a component is expected to be like
 * is its prior, mixed with a decayed mean of the magnitudes seen in earlier rows. How lively this neighbourhood is now is told by the same
 * component in the two rows before and by the blocks before in the same row, so that all components of a block have their contexts before any
 * of them is known: 64 lanes can be decoded at once.
 */
public final class CoefficientModel {
    /** Components that are coded at once. */
    static final int BLOCK = 64;

    /** Classes of expected magnitude, half an octave each. */
    static final int SCALES = 32;

    /** Classes of local energy against the expected one, half an octave each. */
    static final int ENERGIES = 9;

    /** Contexts. */
    static final int CONTEXTS = SCALES * ENERGIES;

    /** Class 0 holds expected magnitudes under 2^-12: exponent 115 of binary32, two classes an octave. */
    private static final int FIRST_SCALE = 2 * (127 - 12);

    /** Bits of a binary32 below half an octave of (piecewise linear) logarithm. */
    private static final int HALF_OCTAVE = 22;

    /** Largest expected magnitude that is coded in one symbol; above it low bits are sent as they are. */
    private static final int SYMBOL_EXPONENT = 127 + 2;

    /** Rows that the prior counts for in the mean, and what remains of a row's weight in the next. */
    private static final float PRIOR_WEIGHT = 64;

    private static final float DECAY = 0.98f;

    private static final float SECOND_ROW = 0.7f;
    private static final float BLOCKS_WEIGHT = 0.1f;
    private static final float OWN_WEIGHT = 0.5f;

    private float[] prior = new float[0];
    private float[] past = prior;
    private float[] last = prior;
    private float[] beforeLast = prior;
    private float[] expected = prior;
    private float[] capped = prior;
    private int components;
    private float pastWeight;
    private float rowScale;
    private float blockSeen;
    private float blockExpected;

    CoefficientModel() {}

    /** Contexts of the block's components. */
    final int[] contexts = new int[BLOCK];

    /** Low bits of the block's components that are sent as they are. */
    final int[] lowBits = new int[BLOCK];

    /**
     * Starts a matrix.
     *
     * @param priors expected magnitude of each component in a row of scale 1, positive
     */
    void begin(float[] priors, int count) {
        components = count;
        if (prior.length < count) {
            prior = new float[count];
            past = new float[count];
            last = new float[count];
            beforeLast = new float[count];
            expected = new float[count];
            capped = new float[count];
        }
        System.arraycopy(priors, 0, prior, 0, count);
        System.arraycopy(priors, 0, last, 0, count);
        System.arraycopy(priors, 0, beforeLast, 0, count);
        java.util.Arrays.fill(past, 0, count, 0);
        pastWeight = 0;
    }

    /** @param scale factor of all expected magnitudes in this row, positive */
    void beginRow(float scale) {
        rowScale = scale;
        blockSeen = 0;
        blockExpected = 0;
        float share = 1 / (PRIOR_WEIGHT + pastWeight);
        for (int k = 0; k < components; k++) {
            expected[k] = (PRIOR_WEIGHT * prior[k] + past[k]) * share;
        }
    }

    /** Computes {@link #contexts} and {@link #lowBits} of the block that begins with component {@code first}. @return whether any low bits are sent as they are */
    boolean beginBlock(int first) {
        int count = Math.min(BLOCK, components - first);
        return contexts(prior, expected, last, beforeLast, first, count, rowScale, BLOCKS_WEIGHT * blockSeen, BLOCKS_WEIGHT * blockExpected, contexts, lowBits) != 0;
    }

    private static int contexts(float[] prior, float[] expected, float[] last, float[] beforeLast, int first, int count, float rowScale, float seen, float usual,
            int[] contexts, int[] lowBits) {
        int any = 0;
        for (int i = 0; i < count; i++) {
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

    /** Tells the model what the block that begins with component {@code first} holds. */
    void endBlock(int first, int[] values) {
        int count = Math.min(BLOCK, components - first);
        learn(values, 1 / rowScale, first, count, expected, past, last, beforeLast, capped);
        blockSeen = 0.5f * blockSeen + sum(capped, first, count);
        blockExpected = 0.5f * blockExpected + sum(expected, first, count);
    }

    /**
     * What does not depend on other components; {@code capped} receives what magnitudes count in the block's sum. C2 vectorizes loops whose floats have one
     * index.
     */
    private static void learn(int[] values, float perUnit, int first, int count, float[] expected, float[] past, float[] last, float[] beforeLast, float[] capped) {
        for (int i = 0; i < count; i++) {
            beforeLast[first + i] = last[first + i];
        }
        for (int i = 0; i < count; i++) {
            float magnitude = Math.abs(values[i]) * perUnit;
            last[first + i] = magnitude;
            capped[first + i] = Math.min(magnitude, 4 * expected[first + i] + 2 * perUnit);
        }
        for (int i = 0; i < count; i++) {
            past[first + i] = DECAY * past[first + i] + last[first + i];
        }
    }

    /** One after the other: the order is part of the format. */
    private static float sum(float[] terms, int first, int count) {
        float sum = 0;
        for (int i = first; i < first + count; i++) {
            sum += terms[i];
        }
        return sum;
    }

    /** Ends a row. */
    void endRow() {
        pastWeight = DECAY * pastWeight + 1;
    }

    /**
     * What magnitude to expect of a Laplacian coefficient after rounding.
     *
     * @param deviation standard deviation over the step, at least 0
     * @return mean of |rint(x)|, at least 2^-14
     */
    public static float expectedMagnitude(double deviation) {
        if (!(deviation > 1e-3)) {
            return 0x1p-14f;
        }
        double rate = StrictMath.sqrt(2) / deviation;
        double mean = StrictMath.exp(-rate / 2) / -StrictMath.expm1(-rate);
        return (float) Math.clamp(mean, 0x1p-14, 0x1p20);
    }
}
