package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;

/**
 * Coding of matrices of quantized transform coefficients: each gets a context from what is known of its component and its neighbourhood, symbols are coded by rANS
 * (J. Duda, arXiv 1311.2540; F. Giesen, arXiv 1402.3392) in {@value #LANES} lanes, low bits of large ones go as they are. Lane i of a block codes its component i. The arithmetic and the layout of the
 * bytes are those of {@code docs/format.md}, chapter "Coefficients": binary32, in a fixed order, so that every implementation gives the same bytes and reads the others'.
 *
 * <p>Implementations are stateless and safe for concurrent use.
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

    /** Contexts. */
    int CONTEXTS = SCALES * ENERGIES;

    /** Symbols: 0, 1, -1, 2, -2, ... and an escape for what is larger. */
    int SYMBOLS = 1 << SYMBOL_BITS;

    /** The symbol that says that the rest of a magnitude follows as it is. */
    int ESCAPE = SYMBOLS - 1;

    /** Frequencies of a context sum to this. */
    int TOTAL = 1 << PROBABILITY_BITS;

    /** Rows that the prior counts for in the mean. */
    float PRIOR_WEIGHT = 64;

    /** What the blocks before count in the local energy. */
    float BLOCKS_WEIGHT = 0.1f;

    /** What remains of what was seen in a row with each block. */
    float BLOCKS_DECAY = 0.5f;

    /** Largest magnitude of a coefficient. */
    int MAX_MAGNITUDE = 1 << 22;

    /** Bits after the leading one of an escaped magnitude. */
    int MAX_GAMMA_BITS = 24;

    /** States lie in [2^16, 2^32), as unsigned integers. */
    int STATE_MIN = 1 << 16;

    /** An upper bound of what {@link #encode} writes. */
    static long maxEncodedBytes(int rows, int components) {
        // A word a symbol, and at most 49 bits of escape or 22 low bits.
        return 4 + 4L * LANES + 9L * rows * components + 8;
    }

    /**
     * Codes a matrix.
     *
     * @param values int32 {@code [rows][stride]}, magnitudes up to {@link #MAX_MAGNITUDE}; memory that the kernel works on, or the host's
     * @param rows tokens
     * @param components components of a row that are coded; those behind are not looked at
     * @param stride integers from one row to the next, {@code >= components}
     * @param priors expected magnitude of each component in a row of scale 1, from 2^-14 on
     * @param scales factor of the expected magnitudes of each row, from 2^-14 on; times any prior it is at most 2^20
     * @param out the host's memory, of at least {@link #maxEncodedBytes} bytes
     * @param counts [context][symbol]: how often each was coded is added; may be null
     * @param scratch memory that no other thread uses meanwhile
     * @return bytes written
     */
    long encode(MemorySegment values, int rows, int components, int stride, float[] priors, float[] scales, SymbolTables tables, MemorySegment out, long[] counts, CoefficientScratch scratch);

    /**
     * The inverse.
     *
     * @param in the host's memory: exactly what {@link #encode} wrote, or anything else
     * @param values receives int32 {@code [rows][stride]}; those past {@code components} in a row are left alone
     * @throws MalformedDataException if {@code in} is not a coding of such a matrix; {@code values} then hold anything
     */
    void decode(MemorySegment in, MemorySegment values, int rows, int components, int stride, float[] priors, float[] scales, SymbolTables tables, CoefficientScratch scratch)
            throws MalformedDataException;
}
