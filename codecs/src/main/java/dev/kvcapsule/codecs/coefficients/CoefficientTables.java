package dev.kvcapsule.codecs.coefficients;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.kernel.SymbolTables;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Static distributions of symbols, one for each context of the model: frequencies of at least 1 that sum to {@value CoefficientKernel#TOTAL}. Immutable.
 * Stored as u16 [context][symbol], little-endian.
 */
public final class CoefficientTables {
    private static final int CONTEXTS = CoefficientKernel.CONTEXTS;
    private static final int SYMBOLS = CoefficientKernel.SYMBOLS;

    /** Bytes of the stored form. */
    public static final int BYTES = 2 * CONTEXTS * SYMBOLS;

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final SymbolTables symbols;

    private CoefficientTables(SymbolTables symbols) {
        this.symbols = symbols;
    }

    SymbolTables symbols() {
        return symbols;
    }

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
     * @throws MalformedDataException if a frequency is 0 or a context's do not sum to {@value CoefficientKernel#TOTAL}
     */
    public static CoefficientTables parse(MemorySegment stored) throws MalformedDataException {
        if (stored.byteSize() != BYTES) {
            throw new MalformedDataException("coefficient tables of " + stored.byteSize() + " bytes, expected " + BYTES);
        }
        int[] frequencies = new int[CONTEXTS * SYMBOLS];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = Short.toUnsignedInt(stored.get(SHORT, 2L * i));
        }
        try {
            return new CoefficientTables(new SymbolTables(frequencies));
        } catch (IllegalArgumentException e) {
            throw new MalformedDataException(e.getMessage());
        }
    }

    /** Writes the stored form. */
    public void write(MemorySegment out) {
        for (int context = 0; context < CONTEXTS; context++) {
            for (int symbol = 0; symbol < SYMBOLS; symbol++) {
                out.set(SHORT, 2L * (context * SYMBOLS + symbol), (short) symbols.frequency(context, symbol));
            }
        }
    }
}
