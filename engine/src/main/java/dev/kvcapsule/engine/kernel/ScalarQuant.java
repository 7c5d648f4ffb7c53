package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** {@link QuantKernel} in plain loops: the specification. */
public final class ScalarQuant implements QuantKernel {
    private static final ConvertKernel CONVERT = new ScalarConvert();

    /** Rows of values restored at once: enough for loops to be worth their start. */
    private static final int VALUE_ROWS = 32;

    /** Creates the kernel; it has no state. */
    public ScalarQuant() {}

    @Override
    public long quantize(QuantShape shape, MemorySegment rows, long rowsOffset, MemorySegment codes, long codesOffset,
            MemorySegment zeros, long zerosOffset, MemorySegment steps, long stepsOffset) {
        QuantBounds.quantize(shape, rows, rowsOffset, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset);
        boolean keys = shape.grouping() == QuantShape.Grouping.TOKENS;
        int block = keys ? shape.group() : 1;
        int channels = shape.channels();
        int codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        float[] values = new float[Math.multiplyExact(Math.min(block, shape.tokens()), channels)];
        HeapRows input = new HeapRows(shape.rows(), values.length);
        byte[] row = new byte[CodeUnits.unitsPerRow(channels) * CodeUnits.CODES];
        GroupCode[] fitted = new GroupCode[keys ? channels : shape.groups()];
        Arrays.setAll(fitted, i -> new GroupCode());
        long refused = 0;
        for (int token = 0; token < shape.tokens(); token += block) {
            int count = Math.min(block, shape.tokens() - token);
            input.load(rows, rowsOffset + (long) token * channels * shape.rows().bytes(), values, count * channels);
            long parameter = (long) (token / block) * fitted.length;
            for (int g = 0; g < fitted.length; g++) {
                if (keys) {
                    fit(shape, fitted[g], values, g, channels, count);
                } else {
                    int from = g * shape.group();
                    fit(shape, fitted[g], values, from, 1, Math.min(shape.group(), channels - from));
                }
                refused += fitted[g].representable ? 0 : 1;
                zeros.set(Bounds.SHORT, zerosOffset + 2 * (parameter + g), fitted[g].zero);
                steps.set(Bounds.SHORT, stepsOffset + 2 * (parameter + g), fitted[g].step);
            }
            for (int t = 0; t < count; t++) {
                for (int c = 0; c < channels; c++) {
                    GroupCode group = fitted[keys ? c : c / shape.group()];
                    row[c] = group.step == 0 ? 0 : (byte) group.code(values[t * channels + c], shape.levels());
                }
                CodeUnits.pack(shape.bits(), row, row.length / CodeUnits.CODES, codes, codesOffset + (long) (token + t) * codeRow);
            }
        }
        return refused;
    }

    private static void fit(QuantShape shape, GroupCode group, float[] values, int from, int stride, int count) {
        float min = Float.POSITIVE_INFINITY;
        float max = Float.NEGATIVE_INFINITY;
        boolean finite = true;
        for (int i = 0; i < count; i++) {
            float value = values[from + i * stride];
            finite &= Float.isFinite(value);
            min = Math.min(min, value);
            max = Math.max(max, value);
        }
        if (finite) {
            group.fit(shape.parameter(), shape.levels(), min, max);
        } else {
            group.refuse();
        }
    }

    @Override
    public void dequantize(QuantShape shape, MemorySegment codes, long codesOffset, MemorySegment zeros, long zerosOffset,
            MemorySegment steps, long stepsOffset, MemorySegment rows, long rowsOffset) {
        QuantBounds.dequantize(CONVERT, shape, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset, rows, rowsOffset);
        boolean keys = shape.grouping() == QuantShape.Grouping.TOKENS;
        int channels = shape.channels();
        int block = Math.min(keys ? shape.group() : VALUE_ROWS, shape.tokens());
        int padded = CodeUnits.unitsPerRow(channels) * CodeUnits.CODES;
        byte[] packed = new byte[block * CodeUnits.rowBytes(shape.bits(), channels)];
        byte[] row = new byte[block * padded];
        HeapRows parameters = new HeapRows(shape.parameter(), keys ? channels : block * shape.groups());
        HeapRows output = new HeapRows(shape.rows(), block * channels);
        float[] zero = new float[keys ? channels : block * shape.groups()];
        float[] step = new float[zero.length];
        float[] values = new float[block * channels];
        for (int token = 0; token < shape.tokens(); token += block) {
            int count = Math.min(block, shape.tokens() - token);
            int groups = keys ? channels : count * shape.groups();
            long at = 2L * (keys ? (long) (token / block) * channels : (long) token * shape.groups());
            parameters.load(zeros, zerosOffset + at, zero, groups);
            parameters.load(steps, stepsOffset + at, step, groups);
            int packedBytes = packed.length / block * count;
            MemorySegment.copy(codes, ValueLayout.JAVA_BYTE, codesOffset + (long) token * (packed.length / block), packed, 0, packedBytes);
            CodeUnits.unpack(shape.bits(), packed, packedBytes, row);
            for (int t = 0; t < count; t++) {
                if (keys) {
                    restore(row, t * padded, zero, step, values, t * channels, channels);
                } else {
                    for (int g = 0; g < shape.groups(); g++) {
                        int from = g * shape.group();
                        int parameter = t * shape.groups() + g;
                        restore(row, t * padded + from, zero[parameter], step[parameter], values, t * channels + from,
                                Math.min(shape.group(), channels - from));
                    }
                }
            }
            output.store(values, rows, rowsOffset + (long) token * channels * shape.rows().bytes(), count * channels);
        }
    }

    private static void restore(byte[] codes, int from, float[] zero, float[] step, float[] values, int to, int count) {
        for (int c = 0; c < count; c++) {
            values[to + c] = zero[c] + step[c] * (codes[from + c] & 0xff);
        }
    }

    private static void restore(byte[] codes, int from, float zero, float step, float[] values, int to, int count) {
        for (int c = 0; c < count; c++) {
            values[to + c] = zero + step * (codes[from + c] & 0xff);
        }
    }
}
