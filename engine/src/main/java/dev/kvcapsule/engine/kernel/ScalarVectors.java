package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * {@link VectorKernel} row by row through an array: bulk copies and plain loops are fast before C2 has come, and it makes vectors of them. The specification.
 */
public final class ScalarVectors implements VectorKernel {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** 1.5 x 2^23: added to a number of magnitude below 2^22, it rounds it to the nearest integer, half to even, which is then in the lowest bits. */
    private static final float ROUNDER = 0x1.8p23f;

    /** Creates a kernel. */
    public ScalarVectors() {}

    @Override
    public void combine(Step step, MemorySegment rows, int tokens, float[] operand, MemorySegment out) {
        float[] row = new float[operand.length];
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            switch (step) {
                case ADD -> add(row, operand);
                case SUBTRACT -> subtract(row, operand);
                case MULTIPLY -> multiply(row, operand);
                case DIVIDE -> divide(row, operand);
            }
            store(row, out, t);
        }
    }

    private static void add(float[] row, float[] operand) {
        for (int w = 0; w < row.length; w++) {
            row[w] += operand[w];
        }
    }

    private static void subtract(float[] row, float[] operand) {
        for (int w = 0; w < row.length; w++) {
            row[w] -= operand[w];
        }
    }

    private static void multiply(float[] row, float[] operand) {
        for (int w = 0; w < row.length; w++) {
            row[w] *= operand[w];
        }
    }

    private static void divide(float[] row, float[] operand) {
        for (int w = 0; w < row.length; w++) {
            row[w] /= operand[w];
        }
    }

    @Override
    public void spread(float[] row, int tokens, MemorySegment rows) {
        for (int t = 0; t < tokens; t++) {
            store(row, rows, t);
        }
    }

    @Override
    public void subtractFrom(MemorySegment minuend, MemorySegment rows, int tokens, int width) {
        float[] row = new float[width];
        float[] from = new float[width];
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            load(minuend, t, from);
            for (int w = 0; w < width; w++) {
                row[w] = from[w] - row[w];
            }
            store(row, rows, t);
        }
    }

    @Override
    public void negate(MemorySegment rows, int tokens, int stride, int count) {
        float[] row = new float[count];
        for (int t = 0; t < tokens; t++) {
            long at = 4L * t * stride;
            MemorySegment.copy(rows, FLOAT, at, row, 0, count);
            for (int w = 0; w < count; w++) {
                row[w] = -row[w];
            }
            MemorySegment.copy(row, 0, rows, FLOAT, at, count);
        }
    }

    @Override
    public double squares(MemorySegment rows, int tokens, int width) {
        float[] row = new float[width];
        double sum = 0;
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            sum += squares(row);
        }
        return sum;
    }

    /** In four stripes: a single sum would wait for each addition before the next. */
    private static double squares(float[] row) {
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        int w = 0;
        for (; w <= row.length - 4; w += 4) {
            s0 += (double) row[w] * row[w];
            s1 += (double) row[w + 1] * row[w + 1];
            s2 += (double) row[w + 2] * row[w + 2];
            s3 += (double) row[w + 3] * row[w + 3];
        }
        for (; w < row.length; w++) {
            s0 += (double) row[w] * row[w];
        }
        return s0 + s1 + (s2 + s3);
    }

    @Override
    public void headSquares(MemorySegment rows, int tokens, int[] headDims, float[] sums) {
        int width = 0;
        for (int dim : headDims) {
            width += dim;
        }
        float[] row = new float[width];
        for (int t = 0; t < tokens; t++) {
            load(rows, t, row);
            int channel = 0;
            for (int h = 0; h < headDims.length; h++) {
                sums[t * headDims.length + h] = squares(row, channel, headDims[h]);
                channel += headDims[h];
            }
        }
    }

    private static float squares(float[] row, int first, int count) {
        float sum = 0;
        for (int c = first; c < first + count; c++) {
            sum += row[c] * row[c];
        }
        return sum;
    }

    @Override
    public void takeColumns(MemorySegment rows, int tokens, int stride, int[] columns, int count, MemorySegment out) {
        for (int t = 0; t < tokens; t++) {
            for (int i = 0; i < count; i++) {
                out.set(FLOAT, 4 * ((long) t * count + i), rows.get(FLOAT, 4 * ((long) t * stride + columns[i])));
            }
        }
    }

    @Override
    public void addToColumns(MemorySegment addends, int tokens, int stride, int[] columns, int count, MemorySegment rows) {
        for (int t = 0; t < tokens; t++) {
            for (int i = 0; i < count; i++) {
                long at = 4 * ((long) t * stride + columns[i]);
                rows.set(FLOAT, at, rows.get(FLOAT, at) + addends.get(FLOAT, 4 * ((long) t * count + i)));
            }
        }
    }

    @Override
    public int quantize(MemorySegment values, int tokens, int components, float[] steps, MemorySegment codes) {
        float[] row = new float[components];
        int[] rounded = new int[components];
        int used = 0;
        for (int t = 0; t < tokens; t++) {
            load(values, t, row);
            if (!scale(row, 1 / steps[t])) {
                return -1;
            }
            round(row, rounded);
            MemorySegment.copy(rounded, 0, codes, INT, 4L * t * components, components);
            int last = components;
            while (last > used && rounded[last - 1] == 0) {
                last--;
            }
            used = last;
        }
        return used;
    }

    /** @return whether all products are small enough */
    private static boolean scale(float[] row, float perStep) {
        int wrong = 0;
        for (int k = 0; k < row.length; k++) {
            float value = row[k] * perStep;
            row[k] = value;
            wrong |= Math.abs(value) < CoefficientKernel.MAX_MAGNITUDE ? 0 : 1;
        }
        return wrong == 0;
    }

    private static void round(float[] row, int[] codes) {
        for (int k = 0; k < row.length; k++) {
            codes[k] = (int) (row[k] + ROUNDER - ROUNDER);
        }
    }

    @Override
    public void restore(MemorySegment codes, int tokens, int components, float[] steps, MemorySegment values) {
        int[] code = new int[components];
        float[] row = new float[components];
        for (int t = 0; t < tokens; t++) {
            MemorySegment.copy(codes, INT, 4L * t * components, code, 0, components);
            multiply(code, steps[t], row);
            store(row, values, t);
        }
    }

    private static void multiply(int[] codes, float step, float[] row) {
        for (int k = 0; k < row.length; k++) {
            row[k] = codes[k] * step;
        }
    }

    private static void load(MemorySegment rows, int t, float[] row) {
        MemorySegment.copy(rows, FLOAT, 4L * t * row.length, row, 0, row.length);
    }

    private static void store(float[] row, MemorySegment rows, int t) {
        MemorySegment.copy(row, 0, rows, FLOAT, 4L * t * row.length, row.length);
    }
}
