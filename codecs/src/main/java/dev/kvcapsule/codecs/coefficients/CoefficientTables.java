package dev.kvcapsule.codecs.coefficients;

import dev.kvcapsule.engine.MalformedDataException;
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
    static final int SYMBOLS = 32;

    /** The symbol that says that the rest of a magnitude follows as it is. */
    static final int ESCAPE = SYMBOLS - 1;

    /** Frequencies of a context sum to this. */
    static final int TOTAL = 1 << 14;

    /** Bytes of the stored form. */
    public static final int BYTES = 2 * CoefficientModel.CONTEXTS * SYMBOLS;

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Sums of the frequencies before each symbol, and {@value #TOTAL} at the end: [context][SYMBOLS + 1]. */
    final short[] starts = new short[CoefficientModel.CONTEXTS * (SYMBOLS + 1)];

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
                tables.starts[context * (SYMBOLS + 1) + symbol] = (short) sum;
                int frequency = Short.toUnsignedInt(stored.get(SHORT, 2L * (context * SYMBOLS + symbol)));
                sum += frequency;
                if (frequency == 0 || sum > TOTAL) {
                    throw new MalformedDataException("coefficient table " + context + ": frequency " + frequency + " of symbol " + symbol);
                }
            }
            if (sum != TOTAL) {
                throw new MalformedDataException("coefficient table " + context + " sums to " + sum + ", not " + TOTAL);
            }
            tables.starts[context * (SYMBOLS + 1) + SYMBOLS] = TOTAL;
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
        int at = context * (SYMBOLS + 1) + symbol;
        return starts[at + 1] - starts[at];
    }
}
