package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** {@link HadamardKernel} with the Vector API: a few rows at a time go through short passes over scratch in the first-level cache. */
public final class PanamaHadamard implements HadamardKernel {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final int LANES = FLOAT.length();
    private static final int SHORTS = SHORT.length();
    private static final int PARTIALS = RotationTables.PARTIALS;
    /** 1.5 x 2^23: adding it rounds a signed float half to even and leaves the integer's low 16 bits at the bottom. */
    private static final float ROUND = 0x1.8p23f;
    /** Values of a block of rows, about. */
    private static final int BLOCK = 3072;
    private static final ConvertKernel CONVERT = new PanamaConvert();

    /** Creates the kernel; it has no state. */
    public PanamaHadamard() {}

    @Override
    public long encode(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset,
            MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset) {
        RotationBounds.encode(CONVERT, shape, rows, rowsOffset, means, meansOffset, codes, codesOffset, gains, gainsOffset);
        int channels = shape.channels();
        int units = CodeUnits.unitsPerRow(channels);
        int width = units * CodeUnits.CODES;
        int dim = shape.headDim();
        int heads = shape.heads();
        int codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        int block = Math.max(1, Math.min(BLOCK / width, shape.tokens()));
        RotationTables tables = new RotationTables(shape.bits(), dim);
        short[] thresholds = CodeLanes.table(tables.thresholds);
        short[] centroids = CodeLanes.table(tables.centroids);
        float[] signs = floats(RotationTables.signs(shape.seed(), channels, width));
        float[] mean = new float[width];
        if (shape.centered()) {
            RowStage.load(shape.parameter(), means, meansOffset, mean, 0, channels);
        }
        float limit = RotationTables.energyLimit(shape.parameter());
        boolean wholeSums = dim % SHORTS == 0 && tables.sumsFit(dim);
        float[] x = new float[block * width];
        short[] y = new short[block * width];
        short[] code = new short[block * width];
        float[] energies = new float[LaneSum.capacity(block * heads, PARTIALS)];
        int[] products = new int[LaneSum.capacity(block * heads, LANES)];
        int[] squares = new int[products.length];
        float[] scales = new float[block * heads];
        long refused = 0;
        for (int token = 0; token < shape.tokens(); token += block) {
            int count = Math.min(block, shape.tokens() - token);
            int length = count * width;
            RowStore.load(shape.rows(), rows, rowsOffset + (long) token * channels * shape.rows().bytes(), channels, x, width, count);
            if (shape.centered()) {
                subtract(x, mean, length);
            }
            energies(x, width, count, heads, dim, energies);
            scales(energies, count * heads, dim, tables.unit, limit, scales);
            for (int t = 0; t < count; t++) {
                scale(x, t * width, signs, scales, t * heads, heads, dim, y);
            }
            WalshHadamard.transform(y, length, tables.block);
            CodeLanes.search(shape.bits(), thresholds, y, code, length);
            if (wholeSums) {
                sums(y, code, centroids, width, count, heads, dim, products, squares);
            }
            for (int h = 0; h < count * heads; h++) {
                int from = h / heads * width + h % heads * dim;
                short gain = 0;
                if (scales[h] == 0) {
                    refused += energies[h] == 0 ? 0 : 1;
                    Arrays.fill(code, from, from + dim, (short) (1 << (shape.bits() - 1)));
                } else {
                    long product = wholeSums ? products[h] : product(y, code, centroids, from, dim);
                    long square = wholeSums ? squares[h] : square(code, centroids, from, dim);
                    gain = HeadGain.gain(tables, shape.parameter(), HeadGain.rootMeanSquare(energies[h], dim), product, square);
                }
                gains.set(Bounds.SHORT, gainsOffset + 2 * ((long) token * heads + h), gain);
            }
            if (width != channels) {
                for (int t = 0; t < count; t++) {
                    Arrays.fill(code, t * width + channels, (t + 1) * width, (short) 0);
                }
            }
            CodeLanes.pack(shape.bits(), code, count * units, codes, codesOffset + (long) token * codeRow);
        }
        return refused;
    }

    private static float[] floats(short[] values) {
        float[] result = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            result[i] = values[i];
        }
        return result;
    }

    private static void subtract(float[] x, float[] mean, int length) {
        for (int base = 0; base < length; base += mean.length) {
            for (int c = 0; c < mean.length; c++) {
                x[base + c] -= mean[c];
            }
        }
    }

    /** The energy of each head in the order the format fixes: sixteen interleaved sums, then neighbours. */
    private static void energies(float[] x, int width, int count, int heads, int dim, float[] energies) {
        int to = 0;
        for (int t = 0; t < count; t++) {
            for (int h = 0; h < heads; h++, to += PARTIALS) {
                partials(x, t * width + h * dim, dim, energies, to);
            }
        }
        LaneSum.floats(energies, count * heads, PARTIALS);
    }

    private static void partials(float[] x, int from, int dim, float[] energies, int to) {
        int whole = dim / PARTIALS * PARTIALS;
        for (int lane = 0; lane < PARTIALS; lane += LANES) {
            FloatVector sum = FloatVector.zero(FLOAT);
            for (int i = from + lane; i < from + whole; i += PARTIALS) {
                FloatVector value = FloatVector.fromArray(FLOAT, x, i);
                sum = sum.add(value.mul(value));
            }
            sum.intoArray(energies, to + lane);
        }
        for (int i = whole; i < dim; i++) {
            energies[to + i - whole] += x[from + i] * x[from + i];
        }
    }

    /** unit / rms of each head, or 0 where the head is all zero or refused. */
    private static void scales(float[] energies, int count, int dim, int unit, float limit, float[] scales) {
        for (int h = 0; h < count; h++) {
            float energy = energies[h];
            scales[h] = energy > 0 && energy < limit ? unit / HeadGain.rootMeanSquare(energy, dim) : 0;
        }
    }

    /** Scales, rounds and signs one row. */
    private static void scale(float[] x, int row, float[] signs, float[] scales, int first, int heads, int dim, short[] y) {
        for (int h = 0, c = 0; h < heads; h++) {
            float factor = scales[first + h];
            int end = c + dim;
            for (; c <= end - LANES; c += LANES) {
                FloatVector value = FloatVector.fromArray(FLOAT, x, row + c).mul(factor).mul(FloatVector.fromArray(FLOAT, signs, c));
                IntVector bits = value.add(ROUND).reinterpretAsInts();
                ((ShortVector) bits.convertShape(VectorOperators.I2S, VectorWidth.SHORT_FOR_INT, 0)).intoArray(y, row + c);
            }
            for (; c < end; c++) {
                y[row + c] = (short) Math.rint(x[row + c] * factor * signs[c]);
            }
        }
    }

    /** Sum of y c and sum of c c of each head. */
    private static void sums(short[] y, short[] code, short[] table, int width, int count, int heads, int dim, int[] products,
            int[] squares) {
        int to = 0;
        for (int t = 0; t < count; t++) {
            for (int h = 0; h < heads; h++, to += LANES) {
                CodeLanes.sums(y, code, table, t * width + h * dim, dim, products, squares, to);
            }
        }
        LaneSum.ints(products, count * heads, LANES);
        LaneSum.ints(squares, count * heads, LANES);
    }

    private static long product(short[] y, short[] code, short[] table, int from, int dim) {
        long sum = 0;
        for (int i = from; i < from + dim; i++) {
            sum += y[i] * table[code[i]];
        }
        return sum;
    }

    private static long square(short[] code, short[] table, int from, int dim) {
        long sum = 0;
        for (int i = from; i < from + dim; i++) {
            sum += table[code[i]] * table[code[i]];
        }
        return sum;
    }

    @Override
    public void decode(RotationShape shape, MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset,
            MemorySegment means, long meansOffset, MemorySegment rows, long rowsOffset) {
        RotationBounds.decode(CONVERT, shape, codes, codesOffset, gains, gainsOffset, means, meansOffset, rows, rowsOffset);
        int channels = shape.channels();
        int units = CodeUnits.unitsPerRow(channels);
        int width = units * CodeUnits.CODES;
        int dim = shape.headDim();
        int heads = shape.heads();
        int codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        int block = Math.max(1, Math.min(BLOCK / width, shape.tokens()));
        RotationTables tables = new RotationTables(shape.bits(), dim);
        short[] centroids = CodeLanes.table(tables.centroids);
        short[] signs = RotationTables.signs(shape.seed(), channels, width);
        float[] mean = new float[width];
        if (shape.centered()) {
            RowStage.load(shape.parameter(), means, meansOffset, mean, 0, channels);
        }
        short[] v = new short[block * width];
        float[] x = new float[block * width];
        float[] factors = new float[block * heads];
        for (int token = 0; token < shape.tokens(); token += block) {
            int count = Math.min(block, shape.tokens() - token);
            int length = count * width;
            CodeLanes.centroids(shape.bits(), centroids, codes, codesOffset + (long) token * codeRow, count * units, v);
            WalshHadamard.transform(v, length, tables.block);
            RowStage.load(shape.parameter(), gains, gainsOffset + 2L * token * heads, factors, 0, count * heads);
            for (int t = 0; t < count; t++) {
                spread(v, t * width, signs, factors, t * heads, tables.decodeScale, heads, dim, x);
            }
            if (shape.centered()) {
                add(x, mean, length);
            }
            RowStore.store(shape.rows(), x, width, count, rows, rowsOffset + (long) token * channels * shape.rows().bytes(), channels);
        }
    }

    private static void add(float[] x, float[] mean, int length) {
        for (int base = 0; base < length; base += mean.length) {
            for (int c = 0; c < mean.length; c++) {
                x[base + c] += mean[c];
            }
        }
    }

    /** Signs and scales one row. */
    private static void spread(short[] v, int row, short[] signs, float[] gains, int first, float decodeScale, int heads, int dim,
            float[] x) {
        for (int h = 0, c = 0; h < heads; h++) {
            float factor = gains[first + h] * decodeScale;
            int end = c + dim;
            for (; c <= end - SHORTS; c += SHORTS) {
                ShortVector signed = ShortVector.fromArray(SHORT, v, row + c).mul(ShortVector.fromArray(SHORT, signs, c));
                FloatVector low = (FloatVector) signed.convertShape(VectorOperators.S2F, FLOAT, 0);
                FloatVector high = (FloatVector) signed.convertShape(VectorOperators.S2F, FLOAT, 1);
                low.mul(factor).intoArray(x, row + c);
                high.mul(factor).intoArray(x, row + c + LANES);
            }
            for (; c < end; c++) {
                x[row + c] = (short) (v[row + c] * signs[c]) * factor;
            }
        }
    }
}
