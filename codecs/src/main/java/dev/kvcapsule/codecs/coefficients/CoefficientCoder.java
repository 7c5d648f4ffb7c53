package dev.kvcapsule.codecs.coefficients;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Codes matrices of quantized coefficients: contexts by {@link CoefficientModel}, symbols by rANS over 64 interleaved lanes (J. Duda, arXiv
 * 1311.2540; F. Giesen, arXiv 1402.3392), low bits of large ones as they are. Lane i of a block codes its component i. The layout of the bytes is
 * in docs/format.md, "Coefficients". For one thread.
 */
public final class CoefficientCoder {
    /** Largest magnitude of a coefficient. */
    public static final int MAX_MAGNITUDE = 1 << 22;

    /** Bits after the leading one of an escaped magnitude. */
    static final int MAX_GAMMA_BITS = 24;

    private static final int LANES = CoefficientModel.BLOCK;
    private static final int PROBABILITY_BITS = 14;

    /** States lie in [2^16, 2^32), as unsigned integers. */
    private static final int STATE_MIN = 1 << 16;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long HEADER_BYTES = 4;

    private final CoefficientModel model = new CoefficientModel();
    private final BitWriter bits = new BitWriter();
    private final int[] states = new int[LANES];
    private final int[] values = new int[LANES];
    private short[] contexts = new short[0];
    private byte[] symbols = new byte[0];
    private short[] words = new short[0];

    /** A coder with scratch of its own. */
    public CoefficientCoder() {}

    /** An upper bound of what {@link #encode} writes. */
    public static long maxBytes(int rows, int components) {
        // A word a symbol, and at most 49 bits of escape or 22 low bits.
        return HEADER_BYTES + 4L * LANES + 9L * rows * components + 8;
    }

    /**
     * @param coefficients [rows][stride] integers, magnitudes up to {@link #MAX_MAGNITUDE}
     * @param rows tokens
     * @param components components of a row that are coded; those behind are not looked at
     * @param stride integers from one row to the next
     * @param priors expected magnitude of each component in a row of scale 1, from 2^-14 on
     * @param scales factor of the expected magnitudes of each row, from 2^-14 on; times any prior it is at most 2^20
     * @param out memory of at least {@link #maxBytes} bytes
     * @param statistics what was coded in which context is added here; may be null
     * @return bytes written
     */
    public long encode(int[] coefficients, int rows, int components, int stride, float[] priors, float[] scales, CoefficientTables tables, MemorySegment out,
            CoefficientStatistics statistics) {
        int total = Math.multiplyExact(rows, components);
        if (contexts.length < total) {
            contexts = new short[total];
            symbols = new byte[total];
            words = new short[total];
        }
        bits.clear();
        model.begin(priors, components);
        for (int row = 0, at = 0; row < rows; row++) {
            model.beginRow(scales[row]);
            for (int first = 0; first < components; first += LANES) {
                int count = Math.min(LANES, components - first);
                System.arraycopy(coefficients, row * stride + first, values, 0, count);
                model.beginBlock(first);
                for (int i = 0; i < count; i++, at++) {
                    contexts[at] = (short) model.contexts[i];
                    symbols[at] = (byte) symbol(values[i], model.lowBits[i]);
                    if (statistics != null) {
                        statistics.count(contexts[at], symbols[at]);
                    }
                }
                model.endBlock(first, values);
            }
            model.endRow();
        }
        int wordCount = encodeSymbols(total, components, tables);
        out.set(INT, 0, wordCount);
        MemorySegment.copy(words, words.length - wordCount, out, WORD, HEADER_BYTES, wordCount);
        long position = HEADER_BYTES + 2L * wordCount;
        MemorySegment.copy(states, 0, out, INT, position, LANES);
        position += 4L * LANES;
        byte[] low = bits.finish();
        MemorySegment.copy(low, 0, out, ValueLayout.JAVA_BYTE, position, bits.size());
        return position + bits.size();
    }

    /** The symbol of a coefficient; appends what the symbol does not say. */
    private int symbol(int value, int low) {
        int high = low == 0 ? value : value + (1 << low - 1) >> low;
        if (low > 0) {
            bits.write(value + (1 << low - 1) & (1 << low) - 1, low);
        }
        int folded = high > 0 ? 2 * high - 1 : -2 * high;
        if (folded < CoefficientTables.ESCAPE) {
            return folded;
        }
        bits.writeGamma(folded - CoefficientTables.ESCAPE + 1);
        return CoefficientTables.ESCAPE;
    }

    /** Runs backwards, so that words come out in the decoder's order at the end of {@link #words}. @return how many */
    private int encodeSymbols(int total, int components, CoefficientTables tables) {
        Arrays.fill(states, STATE_MIN);
        int next = words.length;
        int rowLength = components;
        for (int at = total - 1; at >= 0; at--) {
            int lane = at % rowLength % LANES;
            int entry = contexts[at] * (CoefficientTables.SYMBOLS + 1) + symbols[at];
            int start = tables.starts[entry];
            int frequency = tables.starts[entry + 1] - start;
            long x = states[lane] & 0xFFFFFFFFL;
            if (x >= (long) frequency << 32 - PROBABILITY_BITS) {
                words[--next] = (short) x;
                x >>>= 16;
            }
            states[lane] = (int) (x / frequency << PROBABILITY_BITS | start + x % frequency);
        }
        return words.length - next;
    }

    /**
     * @param in exactly what {@link #encode} wrote, or anything else
     * @param coefficients receives [rows][stride] integers; those past {@code components} in a row are left alone
     * @throws MalformedDataException if {@code in} is not a coding of such a matrix; {@code coefficients} then hold anything
     */
    public void decode(MemorySegment in, int[] coefficients, int rows, int components, int stride, float[] priors, float[] scales, CoefficientTables tables)
            throws MalformedDataException {
        if (in.byteSize() < HEADER_BYTES + 4L * LANES) {
            throw new MalformedDataException("coefficients of " + in.byteSize() + " bytes");
        }
        int wordCount = in.get(INT, 0);
        long end = HEADER_BYTES + 2L * wordCount;
        if (wordCount < 0 || wordCount > (long) rows * components || end > in.byteSize() - 4L * LANES) {
            throw new MalformedDataException("coefficients with " + wordCount + " words in " + in.byteSize() + " bytes");
        }
        for (int lane = 0; lane < LANES; lane++) {
            states[lane] = in.get(INT, end + 4L * lane);
            if (Integer.compareUnsigned(states[lane], STATE_MIN) < 0) {
                throw new MalformedDataException("coefficient state out of range");
            }
        }
        BitReader low = new BitReader(in.asSlice(end + 4L * LANES));
        long position = HEADER_BYTES;
        model.begin(priors, components);
        for (int row = 0; row < rows; row++) {
            model.beginRow(scales[row]);
            for (int first = 0; first < components; first += LANES) {
                int count = Math.min(LANES, components - first);
                model.beginBlock(first);
                for (int i = 0; i < count; i++) {
                    int x = states[i];
                    int slot = x & CoefficientTables.TOTAL - 1;
                    int base = model.contexts[i] * (CoefficientTables.SYMBOLS + 1);
                    int symbol = find(tables.starts, base, slot);
                    int start = tables.starts[base + symbol];
                    x = (tables.starts[base + symbol + 1] - start) * (x >>> PROBABILITY_BITS) + slot - start;
                    if (Integer.compareUnsigned(x, STATE_MIN) < 0) {
                        if (position == end) {
                            throw new MalformedDataException("coefficients end early");
                        }
                        x = x << 16 | in.get(WORD, position) & 0xFFFF;
                        position += 2;
                    }
                    states[i] = x;
                    values[i] = symbol == 0 && model.lowBits[i] == 0 ? 0 : value(symbol, model.lowBits[i], low);
                }
                System.arraycopy(values, 0, coefficients, row * stride + first, count);
                model.endBlock(first, values);
            }
            model.endRow();
        }
        if (position != end) {
            throw new MalformedDataException("coefficients use " + (position - HEADER_BYTES) / 2 + " of " + wordCount + " words");
        }
        for (int state : states) {
            if (state != STATE_MIN) {
                throw new MalformedDataException("coefficients end in a wrong state");
            }
        }
        low.end();
    }

    /** The symbol whose slots hold {@code slot}: most often the first, which is 0. */
    private static int find(short[] starts, int base, int slot) {
        if (slot < starts[base + 1]) {
            return 0;
        }
        int from = 1;
        int to = CoefficientTables.SYMBOLS;
        while (to - from > 1) {
            int middle = from + to >>> 1;
            if (slot < starts[base + middle]) {
                to = middle;
            } else {
                from = middle;
            }
        }
        return from;
    }

    private static int value(int symbol, int low, BitReader bits) throws MalformedDataException {
        int lowest = low == 0 ? 0 : bits.read(low);
        int folded = symbol == CoefficientTables.ESCAPE ? bits.readGamma() - 1 + CoefficientTables.ESCAPE : symbol;
        int high = (folded & 1) == 1 ? (folded + 1) / 2 : -folded / 2;
        long value = low == 0 ? high : ((long) high << low) + lowest - (1L << low - 1);
        if (Math.abs(value) > MAX_MAGNITUDE) {
            throw new MalformedDataException("coefficient out of range");
        }
        return (int) value;
    }
}
