package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel.Rows;
import dev.kvcapsule.engine.kernel.MxBlocks;
import java.lang.foreign.MemorySegment;

/** The kernels of fp8.cu and fp8_runs.cu, on some of a slice's tokens. */
final class Fp8Launches {
    private static final int TILE_ROWS = 32;
    private static final int TILE_CHANNELS = 128;

    private static final int BLOCK = 32;
    private static final int RUN = 8;

    private final Device device;

    Fp8Launches(Device device) {
        this.device = device;
    }

    /** Quantizes or restores tokens from {@code first} on. @return not 0 if something was no number */
    long run(boolean quantize, Rows rows, int first, int tokens, int width, MemorySegment scales, MemorySegment elements) {
        long rowBytes = RowParameters.bytes(width, rows);
        long blocks = MxBlocks.scales(1, width);
        try (Operation operation = device.begin()) {
            long memory = quantize ? operation.in(rows.memory(), first * rowBytes, tokens * rowBytes) : operation.out(rows.memory(), first * rowBytes, tokens * rowBytes);
            long scale = quantize ? operation.out(scales, first * blocks, tokens * blocks) : operation.in(scales, first * blocks, tokens * blocks);
            long element = quantize ? operation.out(elements, (long) first * width, (long) tokens * width) : operation.in(elements, (long) first * width, (long) tokens * width);
            Parameters parameters = RowParameters.begin(operation, memory, rows, first, width);
            parameters.put(scale).put(element).put(operation.newFlags()).put(tokens).put(0);
            boolean runs = rows.turn() == null && width % BLOCK == 0 && RowParameters.inRuns(rows, memory | element);
            if (runs) {
                operation.launchFor(quantize ? Kernel.FP8_QUANTIZE_RUNS : Kernel.FP8_DEQUANTIZE_RUNS, (long) tokens * width / RUN, parameters);
            } else if (quantize) {
                operation.launch(Kernel.FP8_QUANTIZE, Math.ceilDiv(width, TILE_CHANNELS), RowParameters.blocksOf(tokens, TILE_ROWS), Operation.THREADS, 0, parameters);
            } else {
                operation.launchFor(Kernel.FP8_DEQUANTIZE, tokens, width, parameters);
            }
            operation.finish();
            return operation.count();
        }
    }
}
