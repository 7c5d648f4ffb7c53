package dev.kvcapsule.engine.kernel;

/**
 * The inner loops of coding quantized transform coefficients: contexts from what is known of a component, learning from a block, and rANS
 * (J. Duda, arXiv 1311.2540) in {@value #LANES} lanes whose symbols have distributions of their own. The arithmetic is that of {@code docs/format.md},
 * chapter "Coefficients": binary32, in a fixed order, so that every implementation gives the same bits.
 *
 * <p>Arrays here are on the heap: they are scratch of a thread, a few KiB each, and never seen by other kernels. Implementations are stateless
 * and safe for concurrent use.
 */
public interface CoefficientKernel {
    /** Components of a block; one is coded by each lane. */
    int LANES = 64;

    /** Classes of expected magnitude, half an octave each. */
    int SCALES = 32;

    /** Classes of local energy against the expected one, half an octave each. */
    int ENERGIES = 9;

    /** Symbols of a context, as a power of two. */
    int SYMBOL_BITS = 5;

    /** Frequencies of a context sum to 2 to this power. */
    int PROBABILITY_BITS = 14;

    /** Slots that share an entry of a table of starts, as a power of two. */
    int BUCKET_BITS = 8;

    /** Buckets of a context, as a power of two. */
    int BUCKETS_BITS = PROBABILITY_BITS - BUCKET_BITS;

    /** Class 0 holds expected magnitudes under 2^-12: exponent 115 of binary32, two classes an octave. */
    int FIRST_SCALE = 2 * (127 - 12);

    /** Bits of a binary32 below half an octave of (piecewise linear) logarithm. */
    int HALF_OCTAVE = 22;

    /** Largest expected magnitude that is coded in one symbol; above it low bits are sent as they are. */
    int SYMBOL_EXPONENT = 127 + 2;

    /** What the row before the last counts against the last one. */
    float SECOND_ROW = 0.7f;

    /** What the expected magnitude counts in the local energy. */
    float OWN_WEIGHT = 0.5f;

    /** What remains of a row's weight in the next. */
    float DECAY = 0.98f;

    /** Numbers that are added up in turn; then these sums, by pairs. */
    int STRIPES = 16;

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
     * @param states of {@value #LANES} lanes, updated
     * @param words 16 bits each, and at least {@value #LANES} more behind the last
     * @param next index of the next word
     * @param starts [context][2^{@value #BUCKETS_BITS}]: index in {@code entries} of the symbol that holds the first slot of each bucket
     * @param entries [context][2^{@value #SYMBOL_BITS}]: first slot, and above it, from bit 16 on, number of slots; all slots of a context are somebody's
     * @param contexts of the lanes
     * @param symbols receives {@code count} symbols
     * @return index of the next word
     */
    int decode(int[] states, int[] words, int next, int[] starts, int[] entries, int[] contexts, int count, int[] symbols);
}
