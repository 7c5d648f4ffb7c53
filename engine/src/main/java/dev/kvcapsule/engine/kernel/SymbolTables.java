package dev.kvcapsule.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Static distributions of symbols for {@link CoefficientKernel}, one for each context: frequencies of at least 1 that sum to {@value CoefficientKernel#TOTAL}. Immutable. */
public final class SymbolTables {
    private static final int SYMBOLS = CoefficientKernel.SYMBOLS;
    private static final int BUCKETS = 1 << CoefficientKernel.BUCKETS_BITS;

    /** For each symbol its first slot, in the lower 16 bits, and how many it has, above: [context][SYMBOLS]. */
    final int[] entries = new int[CoefficientKernel.CONTEXTS * SYMBOLS];

    /** The index in {@link #entries} of the symbol that holds the first slot of each bucket: searches begin there, and mostly end there. [context][BUCKETS] */
    final int[] starts = new int[CoefficientKernel.CONTEXTS * BUCKETS];

    private MemorySegment memory;

    /**
     * @param frequencies [context][symbol]
     * @throws IllegalArgumentException if there are not as many, one is not positive, or a context's do not sum to {@value CoefficientKernel#TOTAL}
     */
    public SymbolTables(int[] frequencies) {
        if (frequencies.length != entries.length) {
            throw new IllegalArgumentException(frequencies.length + " frequencies, expected " + entries.length);
        }
        for (int context = 0; context < CoefficientKernel.CONTEXTS; context++) {
            int sum = 0;
            for (int symbol = 0; symbol < SYMBOLS; symbol++) {
                int frequency = frequencies[context * SYMBOLS + symbol];
                if (frequency < 1 || frequency > CoefficientKernel.TOTAL - sum) {
                    throw new IllegalArgumentException("coefficient table " + context + ": frequency " + frequency + " of symbol " + symbol);
                }
                entries[context * SYMBOLS + symbol] = frequency << 16 | sum;
                int after = sum + frequency;
                for (int bucket = Math.ceilDiv(sum, 1 << CoefficientKernel.BUCKET_BITS); bucket << CoefficientKernel.BUCKET_BITS < after; bucket++) {
                    starts[context * BUCKETS + bucket] = context * SYMBOLS + symbol;
                }
                sum = after;
            }
            if (sum != CoefficientKernel.TOTAL) {
                throw new IllegalArgumentException("coefficient table " + context + " sums to " + sum + ", not " + CoefficientKernel.TOTAL);
            }
        }
    }

    /** Slots of a symbol. */
    public int frequency(int context, int symbol) {
        return entries[context * SYMBOLS + symbol] >>> 16;
    }

    /** For devices, and never written again: u32 [context][symbol], the first slot and, from bit 16 on, how many; then u8 [context][bucket], the symbol that holds the first slot of 256. */
    public synchronized MemorySegment memory() {
        if (memory == null) {
            MemorySegment made = Arena.ofAuto().allocate(4L * entries.length + starts.length, 64);
            MemorySegment.copy(entries, 0, made, ValueLayout.JAVA_INT, 0, entries.length);
            for (int i = 0; i < starts.length; i++) {
                made.set(ValueLayout.JAVA_BYTE, 4L * entries.length + i, (byte) (starts[i] % SYMBOLS));
            }
            memory = made.asReadOnly();
        }
        return memory;
    }
}
