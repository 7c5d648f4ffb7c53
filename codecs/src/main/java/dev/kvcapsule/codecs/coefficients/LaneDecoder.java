package dev.kvcapsule.codecs.coefficients;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Decodes symbols with rANS in {@value CoefficientModel#BLOCK} lanes, which take their words in turn. Nothing here branches on what a lane holds but the
 * search for a symbol, which its bucket mostly settles: lanes overlap in the processor. For one thread.
 */
final class LaneDecoder {
    private static final int LANES = CoefficientModel.BLOCK;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final int[] states = new int[LANES];
    private short[] words = new short[0];
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
            words = new short[wordCount + LANES];
        }
        MemorySegment.copy(in, WORD, at, words, 0, wordCount);
        MemorySegment.copy(in, INT, at + 2L * wordCount, states, 0, LANES);
        end = wordCount;
        next = 0;
        for (int state : states) {
            if (Integer.compareUnsigned(state, CoefficientCoder.STATE_MIN) < 0) {
                throw new MalformedDataException("coefficient state out of range");
            }
        }
    }

    /**
     * Decodes one symbol of each of the first {@code count} lanes.
     *
     * @param contexts of the lanes
     * @param symbols receives them
     * @return whether there is an escape among them
     */
    boolean block(CoefficientTables tables, int[] contexts, int count, int[] symbols) throws MalformedDataException {
        next = decode(states, words, next, tables.firsts, tables.entries, contexts, count, symbols);
        if (next > end) {
            throw new MalformedDataException("coefficients end early");
        }
        int escapes = 0;
        for (int i = 0; i < count; i++) {
            escapes |= symbols[i] + 1;
        }
        return (escapes & CoefficientTables.SYMBOLS) != 0;
    }

    private static int decode(int[] states, short[] words, int first, byte[] firsts, int[] entries, int[] contexts, int count, int[] symbols) {
        int next = first;
        for (int i = 0; i < count; i++) {
            int x = states[i];
            int slot = x & CoefficientTables.TOTAL - 1;
            int context = contexts[i];
            int at = context * CoefficientTables.SYMBOLS + firsts[context * CoefficientTables.BUCKETS + (slot >>> CoefficientTables.BUCKET_BITS)];
            int entry = entries[at];
            while (slot - (entry & 0xFFFF) >= entry >>> 16) {
                entry = entries[++at];
            }
            symbols[i] = at & CoefficientTables.SYMBOLS - 1;
            x = (entry >>> 16) * (x >>> CoefficientCoder.PROBABILITY_BITS) + slot - (entry & 0xFFFF);
            // 1 if the state fell below 2^16, without a branch that no processor could foresee.
            int low = (x >>> 16) - 1 >>> 31;
            states[i] = x << 16 * low | words[next] & 0xFFFF & -low;
            next += low;
        }
        return next;
    }

    /** @throws MalformedDataException if not all words were used, or the lanes are not where encoders begin */
    void end() throws MalformedDataException {
        if (next != end) {
            throw new MalformedDataException("coefficients use " + next + " of " + end + " words");
        }
        for (int state : states) {
            if (state != CoefficientCoder.STATE_MIN) {
                throw new MalformedDataException("coefficients end in a wrong state");
            }
        }
    }
}
