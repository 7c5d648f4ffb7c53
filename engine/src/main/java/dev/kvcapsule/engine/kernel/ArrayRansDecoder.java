package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Whole rows of a rANS stream in plain loops over arrays: one bulk copy of the words that a row may need, one of the symbols that it gave, no division and no branch for a symbol. Fast from the
 * first second on, where vectors wait for C2. {@link ScalarRans#decodeRows} says what comes out.
 */
final class ArrayRansDecoder {
    private static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int VECTORS = 4;
    private static final int VECTOR_LANES = RansKernel.LANES / VECTORS;

    private final int[] entries;
    private final RansContexts contexts;
    private final int[] states;
    private final short[] words = new short[RansKernel.LANES];
    private final byte[] row = new byte[RansKernel.LANES];

    /** @param states of all lanes, updated */
    ArrayRansDecoder(RansTables tables, RansContexts contexts, int[] states) {
        this.entries = tables.decodeEntries();
        this.contexts = contexts;
        this.states = states;
    }

    /**
     * Decodes rows from the stream's first one on.
     *
     * @param end of the words in {@code in}; the states lie behind it, so that 64 words may be read from any place up to there
     * @param to end of the rows, a multiple of 64
     * @return byte offset of the next word
     */
    long decode(MemorySegment in, long end, MemorySegment symbols, long to) throws MalformedDataException {
        long next = 0;
        int phase = 0;
        int set = 0;
        for (long first = 0; first < to; first += RansKernel.LANES) {
            MemorySegment.copy(in, WORD, next, words, 0, RansKernel.LANES);
            next += (long) Short.BYTES * row(set, phase);
            if (next > end) {
                throw RansChecks.early();
            }
            MemorySegment.copy(row, 0, symbols, ValueLayout.JAVA_BYTE, first, RansKernel.LANES);
            phase = (phase + RansKernel.LANES) % contexts.period();
            set = (set + RansKernel.LANES) % states.length;
        }
        return next;
    }

    /** @param phase position of the row's first symbol within the period @return how many words it took */
    private int row(int set, int phase) {
        int[] offsets = contexts.offsets();
        int taken = 0;
        for (int vector = 0; vector < VECTORS; vector++) {
            int lane = set + vector * VECTOR_LANES;
            int offset = contexts.offsetIndex(phase + vector);
            for (int k = 0; k < VECTOR_LANES; k++) {
                int x = states[lane + k];
                int entry = entries[offsets[offset + k] + (x & RansTables.SLOTS - 1)];
                row[VECTORS * k + vector] = (byte) entry;
                x = (entry >>> 8 & 0xFFF) * (x >>> 12) + (entry >>> 20);
                // All ones where the state has become too small and takes a word.
                int needs = x - RansKernel.STATE_MIN >> 31;
                states[lane + k] = x << (needs & 16) | words[taken] & 0xFFFF & needs;
                taken -= needs;
            }
        }
        return taken;
    }
}
