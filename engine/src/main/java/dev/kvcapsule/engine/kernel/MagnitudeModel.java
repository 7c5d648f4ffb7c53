package dev.kvcapsule.engine.kernel;

import java.util.Arrays;

/**
 * Predicts magnitudes of coefficients and turns the prediction into a context. Encoder and decoder run the same model, so every number here is a
 * binary32 result of single operations in a fixed order: the same on any machine.
 *
 * <p>Coefficients come row by row (a row is a token) and in a row in blocks of {@value CoefficientKernel#LANES} components. What a component is expected to be like
 * is its prior, mixed with a decayed mean of the magnitudes seen in earlier rows. How lively this neighbourhood is now is told by the same
 * component in the two rows before and by the blocks before in the same row, so that all components of a block have their contexts before any
 * of them is known: 64 lanes can be decoded at once.
 */
final class MagnitudeModel {
    /** Of the block that ended last: what was seen, and what was expected. */
    private final float[] sums = new float[2];
    private float[] prior = new float[0];
    private float[] past = prior;
    private float[] last = prior;
    private float[] beforeLast = prior;
    private float[] expected = prior;
    private int components;
    private float pastWeight;
    private float rowScale;
    private float blockSeen;
    private float blockExpected;

    /** Contexts of the block's components. */
    final int[] contexts = new int[CoefficientKernel.LANES];

    /** Low bits of the block's components that are sent as they are. */
    final int[] lowBits = new int[CoefficientKernel.LANES];

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
        }
        System.arraycopy(priors, 0, prior, 0, count);
        System.arraycopy(priors, 0, last, 0, count);
        System.arraycopy(priors, 0, beforeLast, 0, count);
        Arrays.fill(past, 0, count, 0);
        pastWeight = 0;
    }

    /** @param scale factor of all expected magnitudes in this row, positive */
    void beginRow(float scale) {
        rowScale = scale;
        blockSeen = 0;
        blockExpected = 0;
        float share = 1 / (CoefficientKernel.PRIOR_WEIGHT + pastWeight);
        for (int k = 0; k < components; k++) {
            expected[k] = (CoefficientKernel.PRIOR_WEIGHT * prior[k] + past[k]) * share;
        }
    }

    /** Computes {@link #contexts} and {@link #lowBits} of the block that begins with component {@code first}. @return whether any low bits are sent as they are */
    boolean beginBlock(CoefficientBlocks blocks, int first) {
        int count = Math.min(CoefficientKernel.LANES, components - first);
        return blocks.contexts(prior, expected, last, beforeLast, first, count, rowScale, CoefficientKernel.BLOCKS_WEIGHT * blockSeen, CoefficientKernel.BLOCKS_WEIGHT * blockExpected, contexts, lowBits) != 0;
    }

    /** Tells the model what the block that begins with component {@code first} holds. */
    void endBlock(CoefficientBlocks blocks, int first, int[] values) {
        int count = Math.min(CoefficientKernel.LANES, components - first);
        blocks.learn(values, 1 / rowScale, first, count, expected, past, last, beforeLast, sums);
        blockSeen = CoefficientKernel.BLOCKS_DECAY * blockSeen + sums[0];
        blockExpected = CoefficientKernel.BLOCKS_DECAY * blockExpected + sums[1];
    }

    /** Ends a row. */
    void endRow() {
        pastWeight = CoefficientKernel.DECAY * pastWeight + 1;
    }
}
