package dev.kvcapsule.codecs.coefficients;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.CoefficientKernel;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Static distributions of symbols, one for each context of the model: frequencies of at least 1 that sum to {@value #TOTAL}. Immutable.
 * Stored as u16 [context][symbol], little-endian.
 */
public final class CoefficientTables {
    /** Symbols: 0, 1, -1, 2, -2, ... and an escape for what is larger. */
    static final int SYMBOLS = 1 << CoefficientKernel.SYMBOL_BITS;

    /** The symbol that says that the rest of a magnitude follows as it is. */
    static final int ESCAPE = SYMBOLS - 1;

    /** Frequencies of a context sum to this. */
    static final int TOTAL = 1 << CoefficientKernel.PROBABILITY_BITS;

    /** Bytes of the stored form. */
    public static final int BYTES = 2 * CoefficientModel.CONTEXTS * SYMBOLS;

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Buckets of a context. */
    private static final int BUCKETS = 1 << CoefficientKernel.BUCKETS_BITS;

    /** For each symbol its first slot, in the lower 16 bits, and how many it has, above: [context][SYMBOLS]. */
    final int[] entries = new int[CoefficientModel.CONTEXTS * SYMBOLS];

    /** The index in {@link #entries} of the symbol that holds the first slot of each bucket: searches begin there, and mostly end there. [context][BUCKETS] */
    final int[] starts = new int[CoefficientModel.CONTEXTS * BUCKETS];

    private CoefficientTables() {}

    /** The tables for bases that bring none, trained on real caches; how is said in the calibration notes of docs/format.md. */
    public static CoefficientTables standard() {
        return Standard.TABLES;
    }

    private static final class Standard {
        static final CoefficientTables TABLES = load();

        private static CoefficientTables load() {
            try (InputStream in = CoefficientTables.class.getResourceAsStream("standard.tables")) {
                return parse(MemorySegment.ofArray(in.readAllBytes()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /**
     * @param stored exactly {@link #BYTES} bytes
     * @throws MalformedDataException if a frequency is 0 or a context's do not sum to {@value #TOTAL}
     */
    public static CoefficientTables parse(MemorySegment stored) throws MalformedDataException {
        if (stored.byteSize() != BYTES) {
            throw new MalformedDataException("coefficient tables of " + stored.byteSize() + " bytes, expected " + BYTES);
        }
        CoefficientTables tables = new CoefficientTables();
        for (int context = 0; context < CoefficientModel.CONTEXTS; context++) {
            int sum = 0;
            for (int symbol = 0; symbol < SYMBOLS; symbol++) {
                int frequency = Short.toUnsignedInt(stored.get(SHORT, 2L * (context * SYMBOLS + symbol)));
                if (frequency == 0 || sum + frequency > TOTAL) {
                    throw new MalformedDataException("coefficient table " + context + ": frequency " + frequency + " of symbol " + symbol);
                }
                tables.entries[context * SYMBOLS + symbol] = frequency << 16 | sum;
                int after = sum + frequency;
                for (int bucket = Math.ceilDiv(sum, 1 << CoefficientKernel.BUCKET_BITS); bucket << CoefficientKernel.BUCKET_BITS < after; bucket++) {
                    tables.starts[context * BUCKETS + bucket] = context * SYMBOLS + symbol;
                }
                sum = after;
            }
            if (sum != TOTAL) {
                throw new MalformedDataException("coefficient table " + context + " sums to " + sum + ", not " + TOTAL);
            }
        }
        return tables;
    }

    /** Writes the stored form. */
    public void write(MemorySegment out) {
        for (int context = 0; context < CoefficientModel.CONTEXTS; context++) {
            for (int symbol = 0; symbol < SYMBOLS; symbol++) {
                out.set(SHORT, 2L * (context * SYMBOLS + symbol), (short) frequency(context, symbol));
            }
        }
    }

    int frequency(int context, int symbol) {
        return entries[context * SYMBOLS + symbol] >>> 16;
    }
}
