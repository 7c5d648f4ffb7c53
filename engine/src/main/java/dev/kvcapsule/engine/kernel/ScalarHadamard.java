package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** {@link HadamardKernel} in plain loops: the specification. */
public final class ScalarHadamard implements HadamardKernel {
    private static final ConvertKernel CONVERT = new ScalarConvert();

    /** Creates the kernel; it has no state. */
    public ScalarHadamard() {}

    @Override
    public long encode(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset,
            MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset) {
        RotationBounds.encode(CONVERT, shape, rows, rowsOffset, means, meansOffset, codes, codesOffset, gains, gainsOffset);
        int channels = shape.channels();
        int dim = shape.headDim();
        int units = CodeUnits.unitsPerRow(channels);
        int codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        RotationTables tables = new RotationTables(shape.bits(), dim);
        short[] signs = RotationTables.signs(shape.seed(), channels, channels);
        float limit = RotationTables.energyLimit(shape.parameter());
        float[] mean = new float[channels];
        if (shape.centered()) {
            new HeapRows(shape.parameter(), channels).load(means, meansOffset, mean, channels);
        }
        HeapRows heap = new HeapRows(shape.rows(), channels);
        float[] x = new float[channels];
        float[] partials = new float[RotationTables.PARTIALS];
        short[] y = new short[channels];
        byte[] row = new byte[units * CodeUnits.CODES];
        long refused = 0;
        long gainAt = gainsOffset;
        for (int token = 0; token < shape.tokens(); token++) {
            heap.load(rows, rowsOffset + (long) token * channels * shape.rows().bytes(), x, channels);
            if (shape.centered()) {
                subtract(x, mean);
            }
            for (int from = 0; from < channels; from += dim, gainAt += 2) {
                float energy = energy(x, from, dim, partials);
                if (!(energy > 0 && energy < limit)) {
                    refused += energy == 0 ? 0 : 1;
                    Arrays.fill(row, from, from + dim, (byte) (1 << (shape.bits() - 1)));
                    gains.set(Bounds.SHORT, gainAt, (short) 0);
                    continue;
                }
                float rms = HeadGain.rootMeanSquare(energy, dim);
                scale(x, signs, from, dim, tables.unit / rms, y);
                transform(y, from, dim, tables.block);
                long product = 0;
                long square = 0;
                for (int i = from; i < from + dim; i++) {
                    int code = code(y[i], tables.thresholds);
                    int centroid = tables.centroids[code];
                    row[i] = (byte) code;
                    product += y[i] * centroid;
                    square += centroid * centroid;
                }
                gains.set(Bounds.SHORT, gainAt, FloatBits.nearest16(shape.parameter(), HeadGain.slope(tables, rms, product, square)));
            }
            CodeUnits.pack(shape.bits(), row, units, codes, codesOffset + (long) token * codeRow);
        }
        return refused;
    }

    @Override
    public void decode(RotationShape shape, MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset,
            MemorySegment means, long meansOffset, MemorySegment rows, long rowsOffset) {
        RotationBounds.decode(CONVERT, shape, codes, codesOffset, gains, gainsOffset, means, meansOffset, rows, rowsOffset);
        int channels = shape.channels();
        int dim = shape.headDim();
        int units = CodeUnits.unitsPerRow(channels);
        int codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        RotationTables tables = new RotationTables(shape.bits(), dim);
        short[] signs = RotationTables.signs(shape.seed(), channels, channels);
        float[] mean = new float[channels];
        if (shape.centered()) {
            new HeapRows(shape.parameter(), channels).load(means, meansOffset, mean, channels);
        }
        HeapRows heap = new HeapRows(shape.rows(), channels);
        float[] x = new float[channels];
        short[] v = new short[channels];
        byte[] packed = new byte[codeRow];
        byte[] row = new byte[units * CodeUnits.CODES];
        long gainAt = gainsOffset;
        for (int token = 0; token < shape.tokens(); token++) {
            MemorySegment.copy(codes, ValueLayout.JAVA_BYTE, codesOffset + (long) token * codeRow, packed, 0, codeRow);
            CodeUnits.unpack(shape.bits(), packed, codeRow, row);
            for (int c = 0; c < channels; c++) {
                v[c] = tables.centroids[row[c]];
            }
            transform(v, 0, channels, tables.block);
            for (int from = 0; from < channels; from += dim, gainAt += 2) {
                spread(v, signs, from, dim, HeadGain.factor(tables, shape.parameter(), gains.get(Bounds.SHORT, gainAt)), x);
            }
            if (shape.centered()) {
                add(x, mean);
            }
            heap.store(x, rows, rowsOffset + (long) token * channels * shape.rows().bytes(), channels);
        }
    }

    private static void subtract(float[] x, float[] mean) {
        for (int c = 0; c < x.length; c++) {
            x[c] -= mean[c];
        }
    }

    private static void add(float[] x, float[] mean) {
        for (int c = 0; c < x.length; c++) {
            x[c] += mean[c];
        }
    }

    /** Sum of squares of a head: sixteen interleaved sums, then neighbours added until one is left. */
    private static float energy(float[] x, int from, int dim, float[] partials) {
        Arrays.fill(partials, 0);
        for (int i = 0; i < dim; i++) {
            partials[i % RotationTables.PARTIALS] += x[from + i] * x[from + i];
        }
        for (int left = RotationTables.PARTIALS / 2; left > 0; left /= 2) {
            for (int i = 0; i < left; i++) {
                partials[i] = partials[2 * i] + partials[2 * i + 1];
            }
        }
        return partials[0];
    }

    private static void scale(float[] x, short[] signs, int from, int dim, float factor, short[] y) {
        for (int i = from; i < from + dim; i++) {
            y[i] = (short) ((int) Math.rint(x[i] * factor) * signs[i]);
        }
    }

    private static void spread(short[] v, short[] signs, int from, int dim, float factor, float[] x) {
        for (int i = from; i < from + dim; i++) {
            x[i] = (short) (v[i] * signs[i]) * factor;
        }
    }

    /** The number of thresholds a coefficient exceeds. */
    private static int code(short y, short[] thresholds) {
        int code = 0;
        for (short threshold : thresholds) {
            code += y > threshold ? 1 : 0;
        }
        return code;
    }

    /** Walsh-Hadamard transform, unnormalised, of each block; sums wrap at 16 bits, which only damaged codes can bring about. */
    private static void transform(short[] y, int from, int count, int block) {
        for (int h = 1; h < block; h *= 2) {
            for (int base = from; base < from + count; base += 2 * h) {
                for (int i = base; i < base + h; i++) {
                    short a = y[i];
                    short b = y[i + h];
                    y[i] = (short) (a + b);
                    y[i + h] = (short) (a - b);
                }
            }
        }
    }
}
