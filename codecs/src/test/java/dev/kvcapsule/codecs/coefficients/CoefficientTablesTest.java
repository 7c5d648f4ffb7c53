package dev.kvcapsule.codecs.coefficients;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class CoefficientTablesTest {
    private static byte[] standard() throws IOException {
        try (InputStream in = CoefficientTables.class.getResourceAsStream("standard.tables")) {
            return in.readAllBytes();
        }
    }

    private static byte[] stored(CoefficientTables tables) {
        byte[] bytes = new byte[CoefficientTables.BYTES];
        tables.write(MemorySegment.ofArray(bytes));
        return bytes;
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        assertEquals(18_432, CoefficientTables.BYTES);
        assertArrayEquals(standard(), stored(CoefficientTables.standard()));
        byte[] guesses = stored(new CoefficientStatistics().tables());
        assertArrayEquals(guesses, stored(CoefficientTables.parse(MemorySegment.ofArray(guesses))));
    }

    @Test
    void guessesForUnseenContextsExpectMoreWhereMoreIsExpected() {
        CoefficientTables guesses = new CoefficientStatistics().tables();
        int middle = CoefficientKernel.ENERGIES / 2;
        for (int scale = 1; scale < CoefficientKernel.SCALES; scale++) {
            int now = scale * CoefficientKernel.ENERGIES + middle;
            assertTrue(guesses.symbols().frequency(now, 0) <= guesses.symbols().frequency(now - CoefficientKernel.ENERGIES, 0));
        }
    }

    @Test
    void everyWrongFrequencyIsRefused() throws IOException {
        byte[] good = standard();
        for (int at = 0; at < good.length; at += 2) {
            byte[] bad = good.clone();
            bad[at]++;
            if (bad[at] == 0) {
                bad[at + 1]++;
            }
            assertThrows(MalformedDataException.class, () -> CoefficientTables.parse(MemorySegment.ofArray(bad)), "byte " + at);
        }
    }

    @Test
    void tablesOfAnotherLengthOrWithZerosAreRefused() throws IOException {
        byte[] good = standard();
        for (int length : new int[] {0, 1, good.length - 2, good.length + 2}) {
            assertThrows(MalformedDataException.class, () -> CoefficientTables.parse(MemorySegment.ofArray(java.util.Arrays.copyOf(good, length))));
        }
        MemorySegment bad = MemorySegment.ofArray(good);
        ValueLayout.OfShort shorts = ValueLayout.JAVA_SHORT_UNALIGNED;
        // The sum still holds, but symbol 1 cannot be coded.
        bad.set(shorts, 0, (short) (bad.get(shorts, 0) + bad.get(shorts, 2)));
        bad.set(shorts, 2, (short) 0);
        assertThrows(MalformedDataException.class, () -> CoefficientTables.parse(bad));
        // Sums that wrap around 2^16.
        for (int symbol = 0; symbol < CoefficientKernel.SYMBOLS; symbol++) {
            bad.set(shorts, 2L * symbol, (short) 0x8200);
        }
        assertThrows(MalformedDataException.class, () -> CoefficientTables.parse(bad));
    }
}
