package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Decodes symbols with rANS in {@value CoefficientKernel#LANES} lanes, which take their words in turn. For one thread. */
final class LaneDecoder {
    private static final int LANES = CoefficientKernel.LANES;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int[] states = new int[LANES];
    private int[] words = new int[0];
    private short[] stored = new short[0];
    private int end;
    private int next;

    /**
     * Starts a stream.
     *
     * @param in memory that holds the words, then the states
     * @param at bytes to the first word
     * @param wordCount how many there are
     */
    void begin(MemorySegment in, long at, int wordCount) throws MalformedDataException {
        // A block may take words that are not there, before the end is looked at.
        if (words.length < wordCount + LANES) {
            words = new int[wordCount + LANES];
            stored = new short[wordCount];
        }
        MemorySegment.copy(in, WORD, at, stored, 0, wordCount);
        widen(stored, wordCount, words);
        MemorySegment.copy(in, INT, at + 2L * wordCount, states, 0, LANES);
        end = wordCount;
        next = 0;
        for (int state : states) {
            if (Integer.compareUnsigned(state, CoefficientKernel.STATE_MIN) < 0) {
                throw new MalformedDataException("coefficient state out of range");
            }
        }
    }

    private static void widen(short[] from, int count, int[] to) {
        for (int i = 0; i < count; i++) {
            to[i] = from[i] & 0xFFFF;
        }
    }

    /**
     * Decodes one symbol of each of the first {@code count} lanes.
     *
     * @param contexts of the lanes
     * @param symbols receives them
     * @return whether there is an escape among them
     */
    boolean block(CoefficientBlocks blocks, SymbolTables tables, int[] contexts, int count, int[] symbols) throws MalformedDataException {
        next = blocks.decode(states, words, next, tables.starts, tables.entries, contexts, count, symbols);
        if (next > end) {
            throw CodedCoefficients.wrongWords(next, end);
        }
        int escapes = 0;
        for (int i = 0; i < count; i++) {
            escapes |= symbols[i] + 1;
        }
        return (escapes & CoefficientKernel.SYMBOLS) != 0;
    }

    /** @throws MalformedDataException if not all words were used, or the lanes are not where encoders begin */
    void end() throws MalformedDataException {
        if (next != end) {
            throw CodedCoefficients.wrongWords(next, end);
        }
        for (int state : states) {
            if (state != CoefficientKernel.STATE_MIN) {
                throw new MalformedDataException("coefficients end in a wrong state");
            }
        }
    }
}
