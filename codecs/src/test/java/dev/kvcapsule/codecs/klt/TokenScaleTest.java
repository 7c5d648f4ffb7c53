package dev.kvcapsule.codecs.klt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TokenScaleTest {
    private static final int SYMBOLS = 32;

    /** What is written, at most as long as it may be. */
    private static byte[] written(byte[] symbols) {
        MemorySegment out = MemorySegment.ofArray(new byte[(int) TokenScale.maxBytes(symbols.length)]);
        return out.asSlice(0, TokenScale.write(symbols, symbols.length, out)).toArray(ValueLayout.JAVA_BYTE);
    }

    private static byte[] read(byte[] bytes, int tokens) throws MalformedDataException {
        byte[] symbols = new byte[tokens];
        assertEquals(bytes.length, TokenScale.read(MemorySegment.ofArray(bytes), tokens, symbols));
        return symbols;
    }

    @Test
    void factorsAreHalfOctaves() {
        for (int symbol = 0; symbol < SYMBOLS; symbol++) {
            double expected = Math.pow(2, (symbol - TokenScale.UNIT) / (double) TokenScale.OCTAVE);
            assertEquals(expected, TokenScale.factor(symbol), 1e-7 * expected);
            assertEquals(symbol, TokenScale.symbol((symbol - TokenScale.UNIT) / (double) TokenScale.OCTAVE));
        }
        assertEquals(1, TokenScale.factor(TokenScale.UNIT));
        assertEquals(0, TokenScale.symbol(-1e9));
        assertEquals(SYMBOLS - 1, TokenScale.symbol(1e9));
        assertEquals(TokenScale.UNIT, TokenScale.symbol(0.24));
        assertEquals(TokenScale.UNIT + 1, TokenScale.symbol(0.26));
    }

    @Test
    void everyPairOfSymbolsIsRead() throws MalformedDataException {
        for (int a = 0; a < SYMBOLS; a++) {
            for (int b = 0; b < SYMBOLS; b++) {
                byte[] expected = {(byte) Math.min(a, Math.min(a, b) + 15), (byte) Math.min(b, Math.min(a, b) + 15)};
                byte[] symbols = {(byte) a, (byte) b};
                byte[] bytes = written(symbols);
                // The encoder goes on with what the decoder will read.
                assertArrayEquals(expected, symbols);
                assertArrayEquals(expected, read(bytes, 2));
                assertEquals(a == b ? 2 : 3, bytes.length);
            }
        }
    }

    @Test
    void anyNumberOfSymbolsIsRead() throws MalformedDataException {
        Random random = new Random(1);
        for (int tokens = 0; tokens < 70; tokens++) {
            for (int span : new int[] {1, 2, 15, 16, 32}) {
                int first = random.nextInt(SYMBOLS - span + 1);
                byte[] symbols = new byte[tokens];
                for (int t = 0; t < tokens; t++) {
                    symbols[t] = (byte) (first + random.nextInt(span));
                }
                byte[] before = symbols.clone();
                byte[] bytes = written(symbols);
                assertTrue(bytes.length <= TokenScale.maxBytes(tokens));
                assertArrayEquals(symbols, read(bytes, tokens));
                if (span <= 16) {
                    assertArrayEquals(before, symbols);
                }
            }
        }
    }

    @Test
    void onlyTheTileIsTouched() throws MalformedDataException {
        byte[] symbols = {20, 9, 9, 9};
        MemorySegment out = MemorySegment.ofArray(new byte[9]).fill((byte) 77);
        assertEquals(4, TokenScale.write(symbols, 3, out));
        assertEquals(77, out.get(ValueLayout.JAVA_BYTE, 4));
        byte[] read = {1, 2, 3, 4, 5};
        assertEquals(4, TokenScale.read(out, 3, read));
        assertArrayEquals(new byte[] {20, 9, 9, 4, 5}, read);
    }

    @Test
    void headersThatCannotBeAreRefused() {
        for (int lowest = -128; lowest < 128; lowest++) {
            for (int bits = -128; bits < 128; bits++) {
                byte[] bytes = {(byte) lowest, (byte) bits, 0, 0};
                boolean good = lowest >= 0 && lowest < SYMBOLS && (bits == 0 || bits == 4);
                if (good) {
                    assertEquals(bits == 0 ? 2 : 4, assertReads(bytes, 4));
                } else {
                    assertThrows(MalformedDataException.class, () -> TokenScale.read(MemorySegment.ofArray(bytes), 4, new byte[4]), lowest + ", " + bits);
                }
            }
        }
        // No symbol is above 31.
        assertThrows(MalformedDataException.class, () -> TokenScale.read(MemorySegment.ofArray(new byte[] {30, 4, 0x21}), 2, new byte[2]));
        assertEquals(3, assertReads(new byte[] {30, 4, 0x10}, 2));
    }

    private static long assertReads(byte[] bytes, int tokens) {
        try {
            return TokenScale.read(MemorySegment.ofArray(bytes), tokens, new byte[tokens]);
        } catch (MalformedDataException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void whatIsCutOffIsRefused() {
        byte[] symbols = {3, 9, 4, 7, 18};
        byte[] bytes = written(symbols);
        assertEquals(5, bytes.length);
        for (int length = 0; length < bytes.length; length++) {
            byte[] cut = Arrays.copyOf(bytes, length);
            assertThrows(MalformedDataException.class, () -> TokenScale.read(MemorySegment.ofArray(cut), 5, new byte[5]), "length " + length);
        }
    }
}
