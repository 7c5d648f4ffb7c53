package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** {@link HadamardKernel} with the Vector API: a few rows at a time go through short passes over scratch in the first-level cache. */
public final class PanamaHadamard implements HadamardKernel {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final VectorSpecies<Double> DOUBLE = VectorWidth.DOUBLE;
    private static final int LANES = FLOAT.length();
    private static final int DOUBLES = DOUBLE.length();
    private static final int SHORTS = SHORT.length();
    private static final int PARTIALS = RotationTables.PARTIALS;
    /** 1.5 x 2^23: adding it rounds a signed float half to even and leaves the integer's low 16 bits at the bottom. */
    private static final float ROUND = 0x1.8p23f;
    /** Values that one unrolled step takes, where heads are a multiple. */
    private static final int CHUNK = 64;
    private static final ConvertKernel CONVERT = new PanamaConvert();

    /** Creates the kernel; it has no state. */
    public PanamaHadamard() {}

    @Override
    public void means(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset) {
        VectorMeans.write(shape, rows, rowsOffset, means, meansOffset);
    }

    @Override
    public long encode(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset,
            MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset) {
        RotationBounds.encode(CONVERT, shape, rows, rowsOffset, means, meansOffset, codes, codesOffset, gains, gainsOffset);
        return new RotatedEncoder(shape, rows, rowsOffset, means, meansOffset, codes, codesOffset, gains, gainsOffset).run();
    }

    static float[] floats(short[] values) {
        float[] result = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            result[i] = values[i];
        }
        return result;
    }

    static void subtract(float[] x, float[] mean, int length) {
        for (int base = 0; base < length; base += mean.length) {
            for (int c = 0; c < mean.length; c += LANES) { // C2 leaves the plain loop scalar
                FloatVector.fromArray(FLOAT, x, base + c).sub(FloatVector.fromArray(FLOAT, mean, c)).intoArray(x, base + c);
            }
        }
    }

    /** The energy of each head in the order the format fixes: sixteen interleaved sums, then neighbours. */
    static void energies(float[] x, int width, int count, int heads, int dim, float[] energies) {
        if (dim == CHUNK) {
            partials64(x, count * width, energies);
            LaneSum.floats(energies, count * heads, PARTIALS);
            return;
        }
        int to = 0;
        for (int t = 0; t < count; t++) {
            for (int h = 0; h < heads; h++, to += PARTIALS) {
                partials(x, t * width + h * dim, dim, energies, to);
            }
        }
        LaneSum.floats(energies, count * heads, PARTIALS);
    }

    /** Heads of 64, the loop without inner loops of unknown length. */
    private static void partials64(float[] x, int length, float[] energies) {
        for (int i = 0, to = 0; i < length; i += CHUNK, to += PARTIALS) {
            for (int lane = 0; lane < PARTIALS; lane += LANES) {
                FloatVector a = FloatVector.fromArray(FLOAT, x, i + lane);
                FloatVector b = FloatVector.fromArray(FLOAT, x, i + lane + PARTIALS);
                FloatVector c = FloatVector.fromArray(FLOAT, x, i + lane + 2 * PARTIALS);
                FloatVector d = FloatVector.fromArray(FLOAT, x, i + lane + 3 * PARTIALS);
                a.mul(a).add(b.mul(b)).add(c.mul(c)).add(d.mul(d)).intoArray(energies, to + lane);
            }
        }
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

    /** The rms of each head, and unit / rms, or 0 where the head is all zero or refused. */
    static void scales(float[] energies, int count, int dim, int unit, float limit, float[] roots, float[] scales) {
        for (int h = 0; h < count; h += LANES) {
            FloatVector energy = FloatVector.fromArray(FLOAT, energies, h);
            FloatVector root = energy.div(dim).lanewise(VectorOperators.SQRT);
            VectorMask<Float> usable = energy.compare(VectorOperators.GT, 0.0f).and(energy.compare(VectorOperators.LT, limit));
            root.intoArray(roots, h);
            FloatVector.zero(FLOAT).blend(FloatVector.broadcast(FLOAT, unit).div(root), usable).intoArray(scales, h);
        }
    }

    /** The head of each chunk of a block of rows, where heads are whole chunks. */
    static int[] chunkHeads(int length, int dim) {
        int[] heads = new int[dim % CHUNK == 0 ? length / CHUNK : 0];
        for (int i = 0; i < heads.length; i++) {
            heads[i] = i * CHUNK / dim;
        }
        return heads;
    }

    /** Scales, rounds and signs a block of rows whose heads are whole chunks. */
    static void scaleChunks(float[] x, int length, float[] signs, float[] scales, int[] heads, short[] y) {
        for (int i = 0, c = 0; i < length; i += CHUNK) {
            float factor = scales[heads[i / CHUNK]];
            for (int k = 0; k < CHUNK; k += LANES) {
                FloatVector value = FloatVector.fromArray(FLOAT, x, i + k).mul(factor).mul(FloatVector.fromArray(FLOAT, signs, c + k));
                IntVector bits = value.add(ROUND).reinterpretAsInts();
                ((ShortVector) bits.convertShape(VectorOperators.I2S, VectorWidth.SHORT_FOR_INT, 0)).intoArray(y, i + k);
            }
            c = c + CHUNK == signs.length ? 0 : c + CHUNK;
        }
    }

    /** Signs and scales a block of rows whose heads are whole chunks. */
    static void spreadChunks(short[] v, int length, short[] signs, float[] gains, float decodeScale, int[] heads, float[] x) {
        for (int i = 0, c = 0; i < length; i += CHUNK) {
            float factor = gains[heads[i / CHUNK]] * decodeScale;
            for (int k = 0; k < CHUNK; k += SHORTS) {
                ShortVector signed = ShortVector.fromArray(SHORT, v, i + k).mul(ShortVector.fromArray(SHORT, signs, c + k));
                ((FloatVector) signed.convertShape(VectorOperators.S2F, FLOAT, 0)).mul(factor).intoArray(x, i + k);
                ((FloatVector) signed.convertShape(VectorOperators.S2F, FLOAT, 1)).mul(factor).intoArray(x, i + k + LANES);
            }
            c = c + CHUNK == signs.length ? 0 : c + CHUNK;
        }
    }

    /** Scales, rounds and signs one row. */
    static void scale(float[] x, int row, float[] signs, float[] scales, int first, int heads, int dim, short[] y) {
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

    /** Sum of y c and sum of c c of each head, for rows without padding and heads of a power of two of at least 64. */
    static void sums(short[] y, short[] chosen, int length, int dim, int[] products, int[] squares) {
        neighbours(y, chosen, products, squares, length);
        LaneSum.ints(products, length / dim, dim / CHUNK * LANES);
        LaneSum.ints(squares, length / dim, dim / CHUNK * LANES);
    }

    /** Products of 16-bit lanes, neighbours added in their 32-bit lane; one vector a chunk. */
    private static void neighbours(short[] y, short[] chosen, int[] products, int[] squares, int length) {
        for (int i = 0, to = 0; i < length; i += CHUNK, to += LANES) {
            IntVector product = IntVector.zero(INT);
            IntVector square = IntVector.zero(INT);
            for (int k = 0; k < CHUNK; k += SHORTS) {
                IntVector a = ShortVector.fromArray(SHORT, y, i + k).reinterpretAsInts();
                IntVector b = ShortVector.fromArray(SHORT, chosen, i + k).reinterpretAsInts();
                IntVector a0 = a.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16);
                IntVector b0 = b.lanewise(VectorOperators.LSHL, 16).lanewise(VectorOperators.ASHR, 16);
                IntVector a1 = a.lanewise(VectorOperators.ASHR, 16);
                IntVector b1 = b.lanewise(VectorOperators.ASHR, 16);
                product = product.add(a0.mul(b0)).add(a1.mul(b1));
                square = square.add(b0.mul(b0)).add(b1.mul(b1));
            }
            product.intoArray(products, to);
            square.intoArray(squares, to);
        }
    }

    /** {@link HeadGain#slope} of each head, kept within {@code most}, as rounding to the parameter format would. */
    static void slopes(float[] roots, int[] products, int[] squares, int count, double scale, float most, float[] slopes) {
        for (int h = 0; h < count; h += DOUBLES) {
            DoubleVector root = (DoubleVector) FloatVector.fromArray(VectorWidth.FLOAT_FOR_DOUBLE, roots, h).convertShape(VectorOperators.F2D, DOUBLE, 0);
            DoubleVector product = (DoubleVector) IntVector.fromArray(VectorWidth.INT_FOR_DOUBLE, products, h).convertShape(VectorOperators.I2D, DOUBLE, 0);
            DoubleVector square = (DoubleVector) IntVector.fromArray(VectorWidth.INT_FOR_DOUBLE, squares, h).convertShape(VectorOperators.I2D, DOUBLE, 0);
            FloatVector slope = (FloatVector) root.mul(product).div(square).mul(scale).convertShape(VectorOperators.D2F, VectorWidth.FLOAT_FOR_DOUBLE, 0);
            slope.min(most).max(-most).intoArray(slopes, h);
        }
    }

    static void slowSums(short[] y, short[] chosen, int width, int count, int heads, int dim, long[] products,
            long[] squares) {
        for (int h = 0; h < count * heads; h++) {
            int from = h / heads * width + h % heads * dim;
            products[h] = product(y, chosen, from, dim);
            squares[h] = product(chosen, chosen, from, dim);
        }
    }

    static void gains(float[] roots, long[] products, long[] squares, int count, RotationTables tables, float most, float[] gains) {
        for (int h = 0; h < count; h++) {
            gains[h] = Math.clamp(HeadGain.slope(tables, roots[h], products[h], squares[h]), -most, most);
        }
    }

    private static long product(short[] a, short[] b, int from, int dim) {
        long sum = 0;
        for (int i = from; i < from + dim; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Override
    public void decode(RotationShape shape, MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset,
            MemorySegment means, long meansOffset, MemorySegment rows, long rowsOffset) {
        RotationBounds.decode(CONVERT, shape, codes, codesOffset, gains, gainsOffset, means, meansOffset, rows, rowsOffset);
        new RotatedDecoder(shape, codes, codesOffset, gains, gainsOffset, means, meansOffset, rows, rowsOffset).run();
    }

    static void add(float[] x, float[] mean, int length) {
        for (int base = 0; base < length; base += mean.length) {
            for (int c = 0; c < mean.length; c += LANES) {
                FloatVector.fromArray(FLOAT, x, base + c).add(FloatVector.fromArray(FLOAT, mean, c)).intoArray(x, base + c);
            }
        }
    }

    /** Signs and scales one row. */
    static void spread(short[] v, int row, short[] signs, float[] gains, int first, float decodeScale, int heads, int dim,
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
