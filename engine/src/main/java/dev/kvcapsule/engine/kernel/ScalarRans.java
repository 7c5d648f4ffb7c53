package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The readable specification of {@link RansKernel}: one symbol at a time, in {@link #encodeRows} and {@link #decodeRows}. Whole rows are decoded by {@link ArrayRansDecoder}, to the same symbols.
 */
public final class ScalarRans implements RansKernel {
    private static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt STATE = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Creates a kernel. */
    public ScalarRans() {}

    @Override
    public long encode(MemorySegment symbols, long n, RansTables tables, RansContexts contexts, MemorySegment out) {
        RansChecks.encode(symbols, n, tables, contexts, out);
        int[] states = new int[LANES * RansKernel.laneSets(n)];
        Arrays.fill(states, STATE_MIN);
        long words = encodeRows(symbols, 0, n, tables, contexts, out, 0, states);
        return finish(out, words, states);
    }

    /**
     * Encodes rows from the last one to the first. The words come out in the reverse of the order in
     * which a decoder reads them.
     *
     * @param from first symbol, a multiple of 64
     * @param to end of the symbols
     * @param position where in {@code out} the next word goes
     * @param states of the 64 lanes, updated
     * @return position after the last word
     */
    static long encodeRows(
            MemorySegment symbols,
            long from,
            long to,
            RansTables tables,
            RansContexts contexts,
            MemorySegment out,
            long position,
            int[] states) {
        int[] entries = tables.encodeEntries();
        int[] slots = tables.encodeSlots();
        long next = position;
        for (long row = from + (to - from + LANES - 1) / LANES * LANES - LANES; row >= from; row -= LANES) {
            int set = (int) (row % states.length);
            for (int lane = LANES - 1; lane >= 0; lane--) {
                long i = row + RansKernel.position(lane);
                if (i >= to) {
                    continue;
                }
                int symbol = symbols.get(ValueLayout.JAVA_BYTE, i) & 0xFF;
                int entry = entries[contexts.table(i) * RansTables.SYMBOLS + symbol];
                int freq = entry & 0xFFF;
                if (freq == 0) {
                    throw RansChecks.uncodable();
                }
                int x = states[set + lane];
                if (Integer.compareUnsigned(x, freq << 19) >= 0) {
                    out.set(WORD, next, (short) x);
                    next += 2;
                    x >>>= 16;
                }
                states[set + lane] = x / freq << 12 | slots[(entry >>> 12) + x % freq];
            }
        }
        return next;
    }

    /**
     * Puts the words in the decoder's order and appends the states.
     *
     * @param words bytes of words at the start of {@code out}
     * @return length of the stream
     */
    static long finish(MemorySegment out, long words, int[] states) {
        for (long low = 0, high = words - 2; low < high; low += 2, high -= 2) {
            short word = out.get(WORD, low);
            out.set(WORD, low, out.get(WORD, high));
            out.set(WORD, high, word);
        }
        for (int lane = 0; lane < states.length; lane++) {
            out.set(STATE, words + 4L * lane, states[lane]);
        }
        return words + 4L * states.length;
    }

    @Override
    public void decode(MemorySegment in, MemorySegment symbols, long n, RansTables tables, RansContexts contexts)
            throws MalformedDataException {
        long words = RansChecks.decode(in, symbols, n, tables, contexts);
        int[] states = initialStates(in, words, n);
        long whole = n - n % LANES;
        long position = new ArrayRansDecoder(tables, contexts, states).decode(in, words, symbols, whole);
        position = decodeRows(in, words, position, symbols, whole, n, tables, contexts, states);
        RansChecks.end(position, words, states);
    }

    /** Reads the 64 states behind the words and checks them. */
    static int[] initialStates(MemorySegment in, long words, long n) throws MalformedDataException {
        int[] states = new int[LANES * RansKernel.laneSets(n)];
        for (int lane = 0; lane < states.length; lane++) {
            states[lane] = RansChecks.initialState(in.get(STATE, words + 4L * lane));
        }
        return states;
    }

    /**
     * Decodes rows in the middle of a stream: what every decoder must give.
     *
     * @param words end of the words
     * @param position byte offset of the next word
     * @param from first symbol, a multiple of 64
     * @param to end of the symbols
     * @param states of the 64 lanes, updated
     * @return byte offset of the next word
     */
    static long decodeRows(
            MemorySegment in,
            long words,
            long position,
            MemorySegment symbols,
            long from,
            long to,
            RansTables tables,
            RansContexts contexts,
            int[] states)
            throws MalformedDataException {
        int[] entries = tables.decodeEntries();
        long next = position;
        for (long row = from; row < to; row += LANES) {
            int set = (int) (row % states.length);
            for (int lane = 0; lane < LANES; lane++) {
                long i = row + RansKernel.position(lane);
                if (i >= to) {
                    continue;
                }
                int x = states[set + lane];
                int entry = entries[contexts.table(i) * RansTables.SLOTS + (x & (RansTables.SLOTS - 1))];
                symbols.set(ValueLayout.JAVA_BYTE, i, (byte) entry);
                int freq = entry >>> 8 & 0xFFF;
                int rank = entry >>> 20;
                x = freq * (x >>> 12) + rank;
                if (x < STATE_MIN) {
                    if (next >= words) {
                        throw RansChecks.early();
                    }
                    x = x << 16 | in.get(WORD, next) & 0xFFFF;
                    next += 2;
                }
                states[set + lane] = x;
            }
        }
        return next;
    }
}
