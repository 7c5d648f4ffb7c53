package dev.kvcapsule.codecs.entropy;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RansContexts;
import dev.kvcapsule.engine.kernel.RansKernel;
import dev.kvcapsule.engine.kernel.RansTables;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Appends byte streams to a tile payload, each in the shortest of the forms that docs/format.md lists under "Streams": raw, constant, rANS
 * with one table, or rANS with a table for each class of positions. The number of symbols is not stored: shapes tell it.
 */
public final class StreamWriter implements AutoCloseable {
    /** Bytes in front of a stream's body: form (1) and length of the body (4). */
    static final int HEADER_BYTES = 5;

    static final byte RAW = 0;
    static final byte CONSTANT = 1;
    static final byte RANS = 2;
    static final byte RANS_BY_POSITION = 3;

    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Coding must save this share of the raw size to be worth the time it takes to decode. */
    private static final double LEAST_GAIN = 0.02;

    private final RansKernel rans;
    private final Kernels kernels;
    private final GrowingBuffer codedBuffer = new GrowingBuffer();
    private MemorySegment out = MemorySegment.NULL;
    private long position;

    /** A writer for one thread. */
    public StreamWriter(Kernels kernels) {
        this.kernels = kernels;
        this.rans = kernels.rans();
    }

    /** An upper bound of what one stream of {@code symbols} bytes takes. */
    public static long maxBytes(long symbols) {
        return HEADER_BYTES + symbols;
    }

    /** Starts at the beginning of a payload. */
    public StreamWriter begin(MemorySegment out) {
        this.out = out;
        this.position = 0;
        return this;
    }

    /** Bytes written since {@link #begin}. */
    public long position() {
        return position;
    }

    /** Appends a stream as it is. */
    public void raw(MemorySegment symbols, long count) {
        header(RAW, count);
        kernels.memory().copy(symbols, 0, out, position, count);
        position += count;
    }

    /** Appends a stream that has one distribution throughout, coded if that wins. */
    public void coded(MemorySegment symbols, long count) {
        coded(symbols, count, 1, 1);
    }

    /**
     * Appends a stream whose distribution depends on the position within a period (a channel's exponent bytes, say), coded if that wins.
     *
     * @param period positions after which the pattern repeats
     * @param maxClasses most tables to use, at most {@link RansTables#MAX_TABLES}
     */
    public void coded(MemorySegment symbols, long count, int period, int maxClasses) {
        if (count == 0) {
            header(RAW, 0);
            return;
        }
        int[][] histograms = new int[period][RansTables.SYMBOLS];
        kernels.bytePlane().count(symbols, 0, count, period, histograms);
        PositionClasses classes = PositionClasses.cluster(histograms, period == 1 ? 1 : maxClasses);
        int only = classes.onlySymbol();
        if (only >= 0) {
            header(CONSTANT, 1);
            out.set(ValueLayout.JAVA_BYTE, position++, (byte) only);
            return;
        }
        RansTables tables = RansTables.fromHistograms(classes.histograms());
        double bits = 0;
        for (int t = 0; t < tables.count(); t++) {
            bits += tables.estimatedBits(t, classes.histograms()[t]);
        }
        long mapBytes = tables.count() == 1 ? 0 : period;
        if (bits / 8 + tables.storedBytes() + mapBytes + RansKernel.STATE_BYTES > (1 - LEAST_GAIN) * count) {
            raw(symbols, count);
            return;
        }
        MemorySegment coded = codedBuffer.atLeast(RansKernel.maxEncodedBytes(count));
        RansContexts contexts = tables.count() == 1 ? RansContexts.constant(0) : RansContexts.of(classes.map());
        long streamBytes = rans.encode(symbols, count, tables, contexts, coded);
        long body = mapBytes + tables.storedBytes() + streamBytes;
        if (body >= count) {
            raw(symbols, count);
            return;
        }
        header(tables.count() == 1 ? RANS : RANS_BY_POSITION, body);
        if (mapBytes > 0) {
            MemorySegment.copy(classes.map(), 0, out, ValueLayout.JAVA_BYTE, position, period);
            position += period;
        }
        position = tables.writeTo(out, position);
        MemorySegment.copy(coded, 0, out, position, streamBytes);
        position += streamBytes;
    }

    private void header(byte form, long body) {
        out.set(ValueLayout.JAVA_BYTE, position, form);
        out.set(INT, position + 1, Math.toIntExact(body));
        position += HEADER_BYTES;
    }

    @Override
    public void close() {
        codedBuffer.close();
    }
}
