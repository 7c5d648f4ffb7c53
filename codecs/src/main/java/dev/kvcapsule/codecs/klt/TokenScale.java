package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Factors of the step, one a token: symbol s is 2^((s - 16) / 2), s = 0..31. A tile has them in front of its coefficients: the lowest symbol, the bits of what
 * the others exceed it by (0 or 4), and those numbers.
 */
final class TokenScale {
    /** The symbol of factor 1. */
    static final int UNIT = 16;

    /** Symbols an octave. */
    static final int OCTAVE = 2;

    private static final int SYMBOLS = 32;
    private static final int BITS = 4;
    private static final int SPAN = (1 << BITS) - 1;
    private static final int HEADER_BYTES = 2;
    private static final float ROOT = 0x1.6a09e6p0f; // binary32 nearest to sqrt(2)

    private TokenScale() {}

    /** The factor of a symbol. */
    static float factor(int symbol) {
        int half = symbol - UNIT;
        return Math.scalb((half & 1) == 0 ? 1 : ROOT, half >> 1);
    }

    /** The symbol of a number of octaves, the nearest there is. */
    static byte symbol(double octaves) {
        return (byte) Math.clamp(Math.round(OCTAVE * octaves) + UNIT, 0, SYMBOLS - 1);
    }

    /** What {@link #write} takes at most. */
    static long maxBytes(int tokens) {
        return HEADER_BYTES + Math.ceilDiv(tokens, 2L);
    }

    /**
     * Writes the symbols of a tile, those that exceed the lowest by more than 15 as if they exceeded it by 15, in place.
     *
     * @return bytes
     */
    static long write(byte[] symbols, int tokens, MemorySegment out) {
        int lowest = SYMBOLS - 1;
        for (int t = 0; t < tokens; t++) {
            lowest = Math.min(lowest, symbols[t]);
        }
        int highest = lowest;
        for (int t = 0; t < tokens; t++) {
            symbols[t] = (byte) Math.min(symbols[t], lowest + SPAN);
            highest = Math.max(highest, symbols[t]);
        }
        int bits = highest == lowest ? 0 : BITS;
        out.set(ValueLayout.JAVA_BYTE, 0, (byte) lowest);
        out.set(ValueLayout.JAVA_BYTE, 1, (byte) bits);
        for (int t = 0; bits > 0 && t < tokens; t += 2) {
            int second = t + 1 < tokens ? symbols[t + 1] - lowest : 0;
            out.set(ValueLayout.JAVA_BYTE, HEADER_BYTES + t / 2, (byte) (symbols[t] - lowest | second << BITS));
        }
        return bits == 0 ? HEADER_BYTES : maxBytes(tokens);
    }

    /**
     * Reads the symbols of a tile.
     *
     * @return bytes read
     */
    static long read(MemorySegment in, int tokens, byte[] symbols) throws MalformedDataException {
        int lowest = in.byteSize() < HEADER_BYTES ? -1 : in.get(ValueLayout.JAVA_BYTE, 0);
        int bits = in.byteSize() < HEADER_BYTES ? -1 : in.get(ValueLayout.JAVA_BYTE, 1);
        if (lowest < 0 || lowest >= SYMBOLS || bits != 0 && bits != BITS) {
            throw new MalformedDataException("token scales from " + lowest + " on with " + bits + " bits");
        }
        if (bits == 0) {
            Arrays.fill(symbols, 0, tokens, (byte) lowest);
            return HEADER_BYTES;
        }
        if (in.byteSize() < maxBytes(tokens)) {
            throw new MalformedDataException("token scales are cut off");
        }
        for (int t = 0; t < tokens; t++) {
            int symbol = lowest + (in.get(ValueLayout.JAVA_BYTE, HEADER_BYTES + t / 2) >>> BITS * (t & 1) & SPAN);
            if (symbol >= SYMBOLS) {
                throw new MalformedDataException("token scale " + symbol + " of token " + t + " of the tile");
            }
            symbols[t] = (byte) symbol;
        }
        return maxBytes(tokens);
    }
}
