package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** {@link CoefficientKernel} on the processor, block by block: with the scalar blocks the specification. Takes values on the heap, too. */
final class HostCoefficients implements CoefficientKernel {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final CoefficientBlocks blocks;

    HostCoefficients(CoefficientBlocks blocks) {
        this.blocks = blocks;
    }

    @Override
    public long encode(MemorySegment values, int rows, int components, int stride, float[] priors, float[] scales, SymbolTables tables, MemorySegment out, long[] counts,
            CoefficientScratch scratch) {
        LaneEncoder encoder = scratch.encoder;
        BitWriter bits = scratch.bits;
        MagnitudeModel model = scratch.model;
        int[] symbols = scratch.symbols;
        int[] block = scratch.block;
        encoder.begin(Math.multiplyExact(rows, components));
        bits.clear();
        model.begin(priors, components);
        for (int r = 0; r < rows; r++) {
            model.beginRow(scales[r]);
            for (int first = 0; first < components; first += LANES) {
                int count = Math.min(LANES, components - first);
                MemorySegment.copy(values, INT, 4 * ((long) r * stride + first), block, 0, count);
                boolean anyLow = model.beginBlock(blocks, first);
                if (anyLow || !fold(block, count, symbols)) {
                    for (int i = 0; i < count; i++) {
                        symbols[i] = symbol(block[i], model.lowBits[i], bits);
                    }
                }
                encoder.block(model.contexts, symbols, count);
                for (int i = 0; counts != null && i < count; i++) {
                    counts[model.contexts[i] * SYMBOLS + symbols[i]]++;
                }
                model.endBlock(blocks, first, block);
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
        return largest < ESCAPE;
    }

    /** The symbol of a coefficient; appends what the symbol does not say. */
    private static int symbol(int value, int low, BitWriter bits) {
        int high = low == 0 ? value : value + (1 << low - 1) >> low;
        if (low > 0) {
            bits.write(value + (1 << low - 1) & (1 << low) - 1, low);
        }
        int folded = high > 0 ? 2 * high - 1 : -2 * high;
        if (folded < ESCAPE) {
            return folded;
        }
        bits.writeGamma(folded - ESCAPE + 1);
        return ESCAPE;
    }

    @Override
    public void decode(MemorySegment in, MemorySegment values, int rows, int components, int stride, float[] priors, float[] scales, SymbolTables tables, CoefficientScratch scratch)
            throws MalformedDataException {
        LaneDecoder decoder = scratch.decoder;
        MagnitudeModel model = scratch.model;
        int[] symbols = scratch.symbols;
        int[] block = scratch.block;
        CodedCoefficients coded = CodedCoefficients.of(in, rows, components);
        decoder.begin(in, CodedCoefficients.HEADER_BYTES, coded.words());
        BitReader low = new BitReader(coded.bits());
        model.begin(priors, components);
        for (int r = 0; r < rows; r++) {
            model.beginRow(scales[r]);
            for (int first = 0; first < components; first += LANES) {
                int count = Math.min(LANES, components - first);
                boolean anyLow = model.beginBlock(blocks, first);
                if (decoder.block(blocks, tables, model.contexts, count, symbols) || anyLow) {
                    for (int i = 0; i < count; i++) {
                        block[i] = value(symbols[i], model.lowBits[i], low);
                    }
                } else {
                    unfold(symbols, count, block);
                }
                MemorySegment.copy(block, 0, values, INT, 4 * ((long) r * stride + first), count);
                model.endBlock(blocks, first, block);
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
        int folded = symbol == ESCAPE ? bits.readGamma() - 1 + ESCAPE : symbol;
        int high = (folded & 1) == 1 ? (folded + 1) / 2 : -folded / 2;
        long value = low == 0 ? high : ((long) high << low) + lowest - (1L << low - 1);
        if (Math.abs(value) > MAX_MAGNITUDE) {
            throw new MalformedDataException("coefficient out of range");
        }
        return (int) value;
    }
}
