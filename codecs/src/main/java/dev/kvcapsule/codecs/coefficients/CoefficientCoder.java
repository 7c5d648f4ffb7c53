package dev.kvcapsule.codecs.coefficients;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.CoefficientKernel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

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

    /** Frequencies of a context sum to 2 to this power. */
    static final int PROBABILITY_BITS = CoefficientKernel.PROBABILITY_BITS;

    /** States lie in [2^16, 2^32), as unsigned integers. */
    static final int STATE_MIN = 1 << 16;

    private static final int LANES = CoefficientModel.BLOCK;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long HEADER_BYTES = 4;

    private final CoefficientModel model;
    private final BitWriter bits = new BitWriter();
    private final LaneEncoder encoder = new LaneEncoder();
    private final LaneDecoder decoder;
    private final int[] symbols = new int[LANES];
    private final int[] values = new int[LANES];

    /** A coder with scratch of its own. */
    public CoefficientCoder(CoefficientKernel kernel) {
        this.model = new CoefficientModel(kernel);
        this.decoder = new LaneDecoder(kernel);
    }

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
        encoder.begin(Math.multiplyExact(rows, components));
        bits.clear();
        model.begin(priors, components);
        for (int row = 0; row < rows; row++) {
            model.beginRow(scales[row]);
            for (int first = 0; first < components; first += LANES) {
                int count = Math.min(LANES, components - first);
                System.arraycopy(coefficients, row * stride + first, values, 0, count);
                boolean anyLow = model.beginBlock(first);
                if (anyLow || !fold(values, count, symbols)) {
                    for (int i = 0; i < count; i++) {
                        symbols[i] = symbol(values[i], model.lowBits[i]);
                    }
                }
                encoder.block(model.contexts, symbols, count);
                if (statistics != null) {
                    for (int i = 0; i < count; i++) {
                        statistics.count(model.contexts[i], symbols[i]);
                    }
                }
                model.endBlock(first, values);
            }
            model.endRow();
        }
        long position = encoder.finish(tables, components, out);
        byte[] low = bits.finish();
        MemorySegment.copy(low, 0, out, ValueLayout.JAVA_BYTE, position, bits.size());
        return position + bits.size();
    }

    /** Symbols of coefficients without low bits. @return whether that is all there is to say of them, none being an escape */
    private static boolean fold(int[] values, int count, int[] symbols) {
        int largest = 0;
        for (int i = 0; i < count; i++) {
            // 2 v - 1 if v > 0, else -2 v: a sign bit without a branch.
            int folded = 2 * Math.abs(values[i]) - (-values[i] >>> 31);
            symbols[i] = folded;
            largest = Math.max(largest, folded);
        }
        return largest < CoefficientTables.ESCAPE;
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
        decoder.begin(in, HEADER_BYTES, wordCount);
        BitReader low = new BitReader(in.asSlice(end + 4L * LANES));
        model.begin(priors, components);
        for (int row = 0; row < rows; row++) {
            model.beginRow(scales[row]);
            for (int first = 0; first < components; first += LANES) {
                int count = Math.min(LANES, components - first);
                boolean anyLow = model.beginBlock(first);
                if (decoder.block(tables, model.contexts, count, symbols) || anyLow) {
                    for (int i = 0; i < count; i++) {
                        values[i] = value(symbols[i], model.lowBits[i], low);
                    }
                } else {
                    unfold(symbols, count, values);
                }
                System.arraycopy(values, 0, coefficients, row * stride + first, count);
                model.endBlock(first, values);
            }
            model.endRow();
        }
        decoder.end();
        low.end();
    }

    /** The inverse of {@link #fold}. */
    private static void unfold(int[] symbols, int count, int[] values) {
        for (int i = 0; i < count; i++) {
            int half = symbols[i] + 1 >> 1;
            int even = (symbols[i] & 1) - 1;
            values[i] = (half ^ even) - even;
        }
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
