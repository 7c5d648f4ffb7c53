package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/** The readable specification of {@link RansKernel}: one symbol at a time. */
public final class ScalarRans implements RansKernel {
    private static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt STATE = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Creates a kernel. */
    public ScalarRans() {}

    @Override
    public long encode(MemorySegment symbols, long n, RansTables tables, RansContexts contexts, MemorySegment out) {
        RansChecks.encode(symbols, n, tables, contexts, out);
        int[] entries = tables.encodeEntries();
        int[] states = new int[LANES];
        Arrays.fill(states, STATE_MIN);
        // The decoder reads words in the order of the symbols, so the encoder goes from the last symbol to the first
        // and writes words from the end of the room for them downwards.
        long end = 2 * n;
        long position = end;
        for (long i = n - 1; i >= 0; i--) {
            int lane = (int) (i % LANES);
            int symbol = symbols.get(ValueLayout.JAVA_BYTE, i) & 0xFF;
            int entry = entries[contexts.table(i) * RansTables.SYMBOLS + symbol];
            int freq = entry & 0xFFFF;
            int start = entry >>> 16;
            if (freq == 0) {
                throw RansChecks.uncodable();
            }
            int x = states[lane];
            if (Integer.compareUnsigned(x, freq << 19) >= 0) {
                position -= 2;
                out.set(WORD, position, (short) x);
                x >>>= 16;
            }
            states[lane] = (x / freq << 12) + x % freq + start;
        }
        MemorySegment.copy(out, position, out, 0, end - position);
        for (int lane = 0; lane < LANES; lane++) {
            out.set(STATE, end - position + 4L * lane, states[lane]);
        }
        return end - position + STATE_BYTES;
    }

    @Override
    public void decode(MemorySegment in, MemorySegment symbols, long n, RansTables tables, RansContexts contexts)
            throws MalformedDataException {
        long words = RansChecks.decode(in, symbols, n, tables, contexts);
        int[] states = new int[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            states[lane] = RansChecks.initialState(in.get(STATE, words + 4L * lane));
        }
        long position = decodeRange(in, words, 0, symbols, 0, n, tables, contexts, states);
        RansChecks.consumed(position, words);
        for (int state : states) {
            RansChecks.finalState(state);
        }
    }

    /**
     * Decodes some symbols in the middle of a stream.
     *
     * @param position byte offset of the next word
     * @param words end of the words
     * @param states of the 64 lanes, updated
     * @return byte offset of the next word
     */
    static long decodeRange(
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
        for (long i = from; i < to; i++) {
            int lane = (int) (i % LANES);
            int x = states[lane];
            int entry = entries[contexts.table(i) * RansTables.SLOTS + (x & (RansTables.SLOTS - 1))];
            symbols.set(ValueLayout.JAVA_BYTE, i, (byte) entry);
            int freq = entry >>> 8 & 0xFFF;
            int rank = entry >>> 20;
            x = freq * (x >>> 12) + rank;
            if (x < STATE_MIN) {
                if (next >= words) {
                    throw new MalformedDataException("rANS stream ends early");
                }
                x = x << 16 | in.get(WORD, next) & 0xFFFF;
                next += 2;
            }
            states[lane] = x;
        }
        return next;
    }
}
