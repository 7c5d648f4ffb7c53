package dev.kvcapsule.engine.kernel;

/**
 * What coding of coefficients consists of, block by block: contexts from what is known of a component, learning from a block, and rANS in {@value CoefficientKernel#LANES} lanes whose symbols have
 * distributions of their own. Arrays are scratch of a thread, a few KiB each. Implementations are stateless and safe for concurrent use; all give the same bits.
 */
interface CoefficientBlocks {
    /**
     * Computes the contexts of a block, {@code SCALES * ENERGIES} of them, and the low bits of its components that are sent as they are.
     *
     * @param prior expected magnitude of each component in a row of scale 1, positive
     * @param expected the same, mixed with what was seen
     * @param last magnitudes in the row before, and {@code beforeLast} in that before it
     * @param first first component of the block
     * @param count its components, 1 to 64
     * @param rowScale factor of expected magnitudes in this row, positive
     * @param seen weighted magnitudes of the blocks before in this row
     * @param usual what they should have been
     * @param contexts receives {@code count} contexts
     * @param lowBits receives {@code count} numbers
     * @return 0 if all low bits are 0
     */
    int contexts(float[] prior, float[] expected, float[] last, float[] beforeLast, int first, int count, float rowScale, float seen, float usual, int[] contexts,
            int[] lowBits);

    /**
     * Learns from a block: moves {@code last} to {@code beforeLast}, the magnitudes to {@code last}, and adds them to the decaying sums {@code past}.
     *
     * @param values coefficients of the block, {@code count} of them
     * @param perUnit 1 / scale of the row
     * @param sums receives the sum of the block's magnitudes, each at most {@code 4 expected + 2 perUnit}, and that of the expected ones
     */
    void learn(int[] values, float perUnit, int first, int count, float[] expected, float[] past, float[] last, float[] beforeLast, float[] sums);

    /**
     * Decodes one symbol of each of the first {@code count} lanes. Total: whatever the states are, it reads at most {@code count} words.
     *
     * @param states of {@value CoefficientKernel#LANES} lanes, updated
     * @param words 16 bits each, and at least {@value CoefficientKernel#LANES} more behind the last
     * @param next index of the next word
     * @param starts [context][2^{@value CoefficientKernel#BUCKETS_BITS}]: index in {@code entries} of the symbol that holds the first slot of each bucket
     * @param entries [context][2^{@value CoefficientKernel#SYMBOL_BITS}]: first slot, and above it, from bit 16 on, number of slots; all slots of a context are somebody's
     * @param contexts of the lanes
     * @param symbols receives {@code count} symbols
     * @return index of the next word
     */
    int decode(int[] states, int[] words, int next, int[] starts, int[] entries, int[] contexts, int count, int[] symbols);
}
