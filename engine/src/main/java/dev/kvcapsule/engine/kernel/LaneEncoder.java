package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/** The inverse of {@link LaneDecoder}: collects all symbols of a matrix first, since rANS codes backwards. For one thread. */
final class LaneEncoder {
    private static final int LANES = CoefficientKernel.LANES;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int[] states = new int[LANES];
    /** Of each coefficient, context x {@value CoefficientTables#SYMBOLS} + symbol. */
    private short[] coded = new short[0];
    private short[] words = new short[0];
    private int size;

    /** Starts a matrix of {@code total} symbols. */
    void begin(int total) {
        if (coded.length < total) {
            coded = new short[total];
            words = new short[total];
        }
        size = 0;
    }

    /** Appends one symbol of each of the first {@code count} lanes. */
    void block(int[] contexts, int[] symbols, int count) {
        for (int i = 0; i < count; i++) {
            coded[size + i] = (short) (contexts[i] * CoefficientKernel.SYMBOLS + symbols[i]);
        }
        size += count;
    }

    /**
     * Codes what was collected: the number of words as an int, the words, the states.
     *
     * @param components symbols of a row
     * @return bytes written
     */
    long finish(SymbolTables tables, int components, MemorySegment out) {
        Arrays.fill(states, CoefficientKernel.STATE_MIN);
        int next = words.length;
        for (int row = size - components; row >= 0 && components > 0; row -= components) {
            for (int first = (components - 1) / LANES * LANES; first >= 0; first -= LANES) {
                next = encode(states, words, next, tables.entries, coded, row + first, Math.min(LANES, components - first));
            }
        }
        int wordCount = words.length - next;
        out.set(INT, 0, wordCount);
        MemorySegment.copy(words, next, out, WORD, 4, wordCount);
        MemorySegment.copy(states, 0, out, INT, 4 + 2L * wordCount, LANES);
        return 4 + 2L * wordCount + 4 * LANES;
    }

    /** Runs backwards, so that words come out in the decoder's order at the end of {@code words}. @return where they begin */
    private static int encode(int[] states, short[] words, int end, int[] entries, short[] coded, int first, int count) {
        int next = end;
        for (int i = count - 1; i >= 0; i--) {
            int entry = entries[coded[first + i]];
            int frequency = entry >>> 16;
            long x = states[i] & 0xFFFFFFFFL;
            if (x >= (long) frequency << 32 - CoefficientKernel.PROBABILITY_BITS) {
                words[--next] = (short) x;
                x >>>= 16;
            }
            // Exact, and faster than dividing integers: a quotient of 32 and 14 bits is further from the next integer than binary64 rounds.
            long quotient = (long) ((double) x / frequency);
            states[i] = (int) ((quotient << CoefficientKernel.PROBABILITY_BITS) + (x - quotient * frequency) + (entry & 0xFFFF));
        }
        return next;
    }
}
