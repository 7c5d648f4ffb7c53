package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** {@link QuantKernel} in plain loops: the specification. */
public final class ScalarQuant implements QuantKernel {
    private static final ConvertKernel CONVERT = new ScalarConvert();

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
        byte[] row = new byte[CodeUnits.unitsPerRow(channels) * CodeUnits.CODES];
        GroupCode[] fitted = new GroupCode[keys ? channels : shape.groups()];
        Arrays.setAll(fitted, i -> new GroupCode());
        long refused = 0;
        for (int token = 0; token < shape.tokens(); token += block) {
            int count = Math.min(block, shape.tokens() - token);
            RowStage.load(shape.rows(), rows, rowsOffset + (long) token * channels * shape.rows().bytes(), values, 0, count * channels);
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
        int channels = shape.channels();
        int units = CodeUnits.unitsPerRow(channels);
        int codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        long rowBytes = (long) channels * shape.rows().bytes();
        byte[] row = new byte[units * CodeUnits.CODES];
        float[] zero = new float[channels];
        float[] step = new float[channels];
        float[] values = new float[channels];
        for (int token = 0; token < shape.tokens(); token++) {
            if (shape.grouping() == QuantShape.Grouping.CHANNELS) {
                long at = 2L * token * shape.groups();
                spread(shape, zeros, zerosOffset + at, zero);
                spread(shape, steps, stepsOffset + at, step);
            } else if (token % shape.group() == 0) {
                long at = 2L * (token / shape.group()) * channels;
                RowStage.load(shape.parameter(), zeros, zerosOffset + at, zero, 0, channels);
                RowStage.load(shape.parameter(), steps, stepsOffset + at, step, 0, channels);
            }
            CodeUnits.unpack(shape.bits(), codes, codesOffset + (long) token * codeRow, units, row);
            restore(row, zero, step, values);
            RowStage.store(shape.rows(), values, 0, rows, rowsOffset + token * rowBytes, channels);
        }
    }

    private static void spread(QuantShape shape, MemorySegment parameters, long offset, float[] target) {
        for (int g = 0; g < shape.groups(); g++) {
            int from = g * shape.group();
            float value = FloatBits.from16(shape.parameter(), parameters.get(Bounds.SHORT, offset + 2L * g));
            Arrays.fill(target, from, Math.min(from + shape.group(), target.length), value);
        }
    }

    private static void restore(byte[] codes, float[] zero, float[] step, float[] values) {
        for (int c = 0; c < values.length; c++) {
            values[c] = zero[c] + step[c] * (codes[c] & 0xff);
        }
    }
}
