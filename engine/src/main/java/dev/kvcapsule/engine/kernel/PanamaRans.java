package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** {@link RansKernel} on vectors of the width in {@link VectorWidth}. */
public final class PanamaRans implements RansKernel {
    /** Creates a kernel. */
    public PanamaRans() {}

    @Override
    public long encode(MemorySegment symbols, long n, RansTables tables, RansContexts contexts, MemorySegment out) {
        RansChecks.encode(symbols, n, tables, contexts, out);
        int[] states = new int[LANES * RansKernel.laneSets(n)];
        Arrays.fill(states, STATE_MIN);
        long whole = n - n % LANES;
        long words = ScalarRans.encodeRows(symbols, whole, n, tables, contexts, out, 0, states);
        reverse(states);
        words = VectorRansEncoder.encode(symbols, whole, tables, contexts, out, words, states);
        reverse(states);
        return ScalarRans.finish(out, words, states);
    }

    private static void reverse(int[] states) {
        for (int low = 0, high = states.length - 1; low < high; low++, high--) {
            int state = states[low];
            states[low] = states[high];
            states[high] = state;
        }
    }

    @Override
    public void decode(MemorySegment in, MemorySegment symbols, long n, RansTables tables, RansContexts contexts)
            throws MalformedDataException {
        long words = RansChecks.decode(in, symbols, n, tables, contexts);
        int[] states = ScalarRans.initialStates(in, words, n);
        long whole = n - n % LANES;
        long position = VectorWidth.BYTE_SHUFFLES && contexts.period() == 1
                ? ShuffleRansDecoder.decode(in, words, symbols, whole, tables.byteTables(contexts.table(0)), states)
                : GatherRansDecoder.decode(in, words, symbols, whole, tables, contexts, states);
        position = ScalarRans.decodeRows(in, words, position, symbols, whole, n, tables, contexts, states);
        RansChecks.end(position, words, states);
    }
}
