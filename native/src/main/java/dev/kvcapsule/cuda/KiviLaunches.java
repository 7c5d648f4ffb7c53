package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel.Rows;
import dev.kvcapsule.engine.kernel.QuantShape;
import java.lang.foreign.MemorySegment;

/** The kernels of kivi.cu and kivi_runs.cu, on some of a slice's tokens. */
final class KiviLaunches {
    private static final int VALUE_ROWS = 32;
    private static final int VALUE_CHANNELS = 128;
    private static final int UNIT = 64;
    private static final int RUNS_TOKENS = 32;
    private static final int RUNS_WARPS = 4;

    private final Device device;

    KiviLaunches(Device device) {
        this.device = device;
    }

    /** A shape of fewer tokens. */
    static QuantShape part(QuantShape shape, int tokens) {
        return new QuantShape(shape.grouping(), shape.bits(), shape.group(), shape.rows(), shape.parameter(), tokens, shape.channels());
    }

    /**
     * Quantizes tokens from {@code first} on, at which a group begins.
     *
     * @param shape of these tokens
     * @return groups that cannot be represented
     */
    long quantize(QuantShape shape, int first, Rows rows, MemorySegment codes, MemorySegment zeros, MemorySegment steps) {
        boolean keys = shape.grouping() == QuantShape.Grouping.TOKENS;
        long rowBytes = RowParameters.bytes(shape.channels(), rows);
        try (Operation operation = device.begin()) {
            long from = operation.in(rows.memory(), first * rowBytes, shape.tokens() * rowBytes);
            long packed = operation.out(codes, first * codeRow(shape), shape.codeBytes());
            long zero = operation.out(zeros, parametersBefore(shape, first), 2 * shape.parameters());
            long step = operation.out(steps, parametersBefore(shape, first), 2 * shape.parameters());
            long flags = operation.newFlags();
            Parameters parameters = RowParameters.begin(operation, from, rows, first, shape.channels()).put(packed).put(zero).put(step).put(flags);
            group(parameters, shape);
            if (inRuns(shape, rows, from | packed | zero | step) && (keys || shape.group() <= UNIT)) {
                Kernel kernel = !keys ? Kernel.KIVI_QUANTIZE_VALUE_RUNS : rows.turn() == null ? Kernel.KIVI_QUANTIZE_KEY_RUNS : Kernel.KIVI_QUANTIZE_TURNED_RUNS;
                runs(operation, kernel, shape, keys ? shape.group() : RUNS_TOKENS, parameters);
            } else if (keys) {
                operation.launch(Kernel.KIVI_QUANTIZE_KEYS, Math.ceilDiv(shape.channels(), UNIT), RowParameters.blocksOf(shape.tokens(), shape.group()), Operation.THREADS, 0, parameters);
            } else {
                operation.launch(Kernel.KIVI_QUANTIZE_VALUES, Math.ceilDiv(shape.channels(), VALUE_CHANNELS), RowParameters.blocksOf(shape.tokens(), VALUE_ROWS), Operation.THREADS, 0, parameters);
            }
            operation.finish();
            return operation.count();
        }
    }

    /** Whether the kernels of kivi_runs.cu can be used. */
    private static boolean inRuns(QuantShape shape, Rows rows, long addresses) {
        return shape.rows() == shape.parameter() && shape.channels() % UNIT == 0 && RowParameters.inRuns(rows, addresses);
    }

    private static void runs(Operation operation, Kernel kernel, QuantShape shape, int warpTokens, Parameters parameters) {
        long warps = (long) (shape.channels() / UNIT) * Math.ceilDiv(shape.tokens(), warpTokens);
        operation.launch(kernel, Math.toIntExact(Math.ceilDiv(warps, RUNS_WARPS)), 1, 32 * RUNS_WARPS, 0, parameters);
    }

    private static void group(Parameters parameters, QuantShape shape) {
        parameters.put(shape.tokens()).put(shape.bits()).put(shape.group()).put(Integer.numberOfTrailingZeros(shape.group())).put(RowParameters.number(shape.parameter()))
                .put(shape.grouping() == QuantShape.Grouping.CHANNELS);
    }

    private static long codeRow(QuantShape shape) {
        return shape.codeBytes() / shape.tokens();
    }

    /** Bytes of parameters in front of those of a token at which groups begin. */
    private static long parametersBefore(QuantShape shape, int first) {
        return 2L * (shape.grouping() == QuantShape.Grouping.TOKENS ? (long) (first / shape.group()) * shape.channels() : (long) first * shape.groups());
    }

    /** Restores tokens from {@code first} on. @return 0 */
    long dequantize(QuantShape shape, int first, MemorySegment codes, MemorySegment zeros, MemorySegment steps, Rows rows) {
        long rowBytes = RowParameters.bytes(shape.channels(), rows);
        long before = parametersBefore(shape, first);
        try (Operation operation = device.begin()) {
            long zero = operation.in(zeros, before, 2 * shape.parameters());
            long step = operation.in(steps, before, 2 * shape.parameters());
            long flag = operation.newFlags();
            operation.findInfinite(shape.parameter(), zero, shape.parameters(), flag);
            operation.findInfinite(shape.parameter(), step, shape.parameters(), flag);
            long to = operation.out(rows.memory(), first * rowBytes, shape.tokens() * rowBytes);
            long packed = operation.in(codes, first * codeRow(shape), shape.codeBytes());
            Parameters parameters = RowParameters.begin(operation, to, rows, first, shape.channels());
            parameters.put(packed).put(zero).put(step).put(0L);
            group(parameters, shape);
            if (inRuns(shape, rows, to | packed | zero | step)) {
                runs(operation, Kernel.KIVI_DEQUANTIZE_RUNS, shape, RUNS_TOKENS, parameters);
            } else {
                operation.launchFor(Kernel.KIVI_DEQUANTIZE, shape.tokens(), rows.turn() == null ? Math.toIntExact(codeRow(shape)) : shape.channels(), parameters);
            }
            operation.finish();
            operation.requireFinite("zero points or steps");
            return 0;
        }
    }
}
