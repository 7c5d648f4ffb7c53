package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.MxBlocks;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RotationConstants;
import dev.kvcapsule.engine.kernel.RotationShape;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@link DeviceKernel} on CUDA: a kernel reads rows in their own type, undoes RoPE on the way, and writes codes. Without memory for all tokens it takes fewer at a time, without memory for a few the
 * processor takes over, as for shapes that a block's memory does not hold.
 */
final class CudaDeviceKernel implements DeviceKernel {
    private static final int VALUE_ROWS = 32;
    private static final int VALUE_CHANNELS = 128;
    private static final int UNIT = 64;
    private static final int WARPS = 4;
    private static final int WARP_THREADS = 128;
    /** What a block may have without being asked for more. */
    private static final int SHARED_BYTES = 48 << 10;
    private static final int CODEBOOK = 16;

    private final Device device;
    private final DeviceMemory memory;
    private final Kernels host;
    private final HostDeviceKernel fallback;

    CudaDeviceKernel(Device device, Kernels host) {
        this.device = device;
        this.memory = new DeviceMemory(device);
        this.host = host;
        this.fallback = new HostDeviceKernel(memory, host);
    }

    @Override
    public MemoryPlace memory() {
        return memory;
    }

    @Override
    public Kernels host() {
        return host;
    }

    static int number(ElementType type) {
        return switch (type) {
            case F16 -> 0;
            case BF16 -> 1;
            case F32 -> 2;
        };
    }

    private static long rowBytes(int channels, Rows rows) {
        return (long) channels * rows.type().bytes();
    }

    /** The structure Rows of rows.cuh. */
    private static Parameters rows(Operation operation, Parameters parameters, long address, Rows rows, int first, int channels) {
        Turn turn = rows.turn();
        long angles = turn == null ? 0 : operation.table(turn.table()) + 4L * first * turn.table().pairs();
        return parameters.put(address).put(angles).put(turn == null ? 0 : angles + Lane.tableBytes(turn.table())).put(number(rows.type())).put(channels)
                .put(turn == null ? 0 : turn.table().pairs()).put(turn != null && turn.pairing() == RopeKernel.Pairing.HALVES).put(turn == null ? 1 : turn.headDim()).put(0);
    }

    private static int blocksOf(int tokens, int rows) {
        int blocks = Math.ceilDiv(tokens, rows);
        if (blocks > Operation.MOST_ROWS) {
            throw new IllegalArgumentException(tokens + " tokens at once");
        }
        return blocks;
    }

    @Override
    public long quantize(QuantShape shape, Rows rows, MemorySegment codes, MemorySegment zeros, MemorySegment steps) {
        if (shape.tokens() == 0) {
            return 0;
        }
        try {
            return Pieces.run(device, shape.tokens(), shape.group(), (first, count) -> quantize(part(shape, count), first, rows, codes, zeros, steps));
        } catch (CudaOutOfMemoryException e) {
            return fallback.quantize(shape, rows, codes, zeros, steps);
        }
    }

    private static QuantShape part(QuantShape shape, int tokens) {
        return new QuantShape(shape.grouping(), shape.bits(), shape.group(), shape.rows(), shape.parameter(), tokens, shape.channels());
    }

    private long quantize(QuantShape shape, int first, Rows rows, MemorySegment codes, MemorySegment zeros, MemorySegment steps) {
        boolean keys = shape.grouping() == QuantShape.Grouping.TOKENS;
        long rowBytes = rowBytes(shape.channels(), rows);
        try (Operation operation = device.begin()) {
            long from = operation.in(rows.memory(), first * rowBytes, shape.tokens() * rowBytes);
            Parameters parameters = rows(operation, operation.parameters(), from, rows, first, shape.channels());
            parameters.put(operation.out(codes, first * codeRow(shape), shape.codeBytes())).put(operation.out(zeros, parametersBefore(shape, first), 2 * shape.parameters()))
                    .put(operation.out(steps, parametersBefore(shape, first), 2 * shape.parameters())).put(operation.newFlags());
            group(parameters, shape);
            if (keys) {
                operation.launch(Kernel.KIVI_QUANTIZE_KEYS, Math.ceilDiv(shape.channels(), UNIT), blocksOf(shape.tokens(), shape.group()), Operation.THREADS, 0, parameters);
            } else {
                operation.launch(Kernel.KIVI_QUANTIZE_VALUES, Math.ceilDiv(shape.channels(), VALUE_CHANNELS), blocksOf(shape.tokens(), VALUE_ROWS), Operation.THREADS, 0, parameters);
            }
            operation.finish();
            return operation.count();
        }
    }

    private static void group(Parameters parameters, QuantShape shape) {
        parameters.put(shape.tokens()).put(shape.bits()).put(shape.group()).put(Integer.numberOfTrailingZeros(shape.group())).put(number(shape.parameter()))
                .put(shape.grouping() == QuantShape.Grouping.CHANNELS);
    }

    private static long codeRow(QuantShape shape) {
        return shape.codeBytes() / shape.tokens();
    }

    /** Bytes of parameters in front of those of a token at which groups begin. */
    private static long parametersBefore(QuantShape shape, int first) {
        return 2L * (shape.grouping() == QuantShape.Grouping.TOKENS ? (long) (first / shape.group()) * shape.channels() : (long) first * shape.groups());
    }

    @Override
    public void dequantize(QuantShape shape, MemorySegment codes, MemorySegment zeros, MemorySegment steps, Rows rows) {
        if (shape.tokens() == 0) {
            return;
        }
        try {
            Pieces.run(device, shape.tokens(), shape.group(), (first, count) -> dequantize(part(shape, count), first, codes, zeros, steps, rows));
        } catch (CudaOutOfMemoryException e) {
            fallback.dequantize(shape, codes, zeros, steps, rows);
        }
    }

    private long dequantize(QuantShape shape, int first, MemorySegment codes, MemorySegment zeros, MemorySegment steps, Rows rows) {
        long rowBytes = rowBytes(shape.channels(), rows);
        long before = parametersBefore(shape, first);
        try (Operation operation = device.begin()) {
            long zero = operation.in(zeros, before, 2 * shape.parameters());
            long step = operation.in(steps, before, 2 * shape.parameters());
            long flag = operation.newFlags();
            operation.findInfinite(shape.parameter(), zero, shape.parameters(), flag);
            operation.findInfinite(shape.parameter(), step, shape.parameters(), flag);
            long to = operation.out(rows.memory(), first * rowBytes, shape.tokens() * rowBytes);
            long packed = operation.in(codes, first * codeRow(shape), shape.codeBytes());
            Parameters parameters = rows(operation, operation.parameters(), to, rows, first, shape.channels());
            parameters.put(packed).put(zero).put(step).put(0L);
            group(parameters, shape);
            operation.launchFor(Kernel.KIVI_DEQUANTIZE, shape.tokens(), rows.turn() == null ? Math.toIntExact(codeRow(shape)) : shape.channels(), parameters);
            operation.finish();
            operation.requireFinite("zero points or steps");
            return 0;
        }
    }

    @Override
    public void means(RotationShape shape, Rows rows, MemorySegment means) {
        long rowBytes = rowBytes(shape.channels(), rows);
        try (Operation operation = device.begin()) {
            long to = operation.out(means, 0, 2L * shape.channels());
            long from = operation.in(rows.memory(), 0, shape.tokens() * rowBytes);
            Parameters parameters = rows(operation, operation.parameters(), from, rows, 0, shape.channels());
            rotation(parameters, shape, shape.constants(), 0, 0, to, 0, 0);
            operation.launchFor(Kernel.ROTATED_MEANS, shape.channels(), parameters);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            device.lane().shrink();
            fallback.means(shape, rows, means);
        }
    }

    /** The structure Rotated of rotated.cu, behind its rows. */
    private static void rotation(Parameters parameters, RotationShape shape, RotationConstants constants, long codes, long gains, long means, long flag, long signs) {
        parameters.put(codes).put(gains).put(means).put(flag).put(signs).put(constants.gainScale()).put(constants.decodeScale()).put(constants.energyLimit()).put(shape.tokens())
                .put(shape.bits()).put(shape.headDim()).put(shape.block()).put(constants.unit()).put(number(shape.parameter())).put(shape.centered()).put(0)
                .put(constants.centroids(), CODEBOOK).put(constants.thresholds(), CODEBOOK);
    }

    private static long signs(Operation operation, RotationConstants constants) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment words = arena.allocateFrom(ValueLayout.JAVA_LONG, constants.signs());
            return operation.in(words, 0, words.byteSize());
        }
    }

    /** Whether a head that is rotated is a head that is turned: a kernel looks for pairs within it. */
    private static boolean fits(RotationShape shape, Rows rows, int sharedBytes) {
        return sharedBytes <= SHARED_BYTES && (rows.turn() == null || rows.turn().headDim() == shape.headDim());
    }

    private static RotationShape part(RotationShape shape, int tokens) {
        return new RotationShape(shape.bits(), shape.headDim(), shape.seed(), shape.centered(), shape.rows(), shape.parameter(), tokens, shape.channels());
    }

    private static int encodeShared(RotationShape shape) {
        return (WARPS * shape.headDim() * 6 + 15) / 16 * 16 + Math.ceilDiv(shape.channels(), UNIT) * UNIT;
    }

    @Override
    public long encode(RotationShape shape, Rows rows, MemorySegment means, MemorySegment codes, MemorySegment gains) {
        if (shape.tokens() == 0) {
            return 0;
        }
        if (!fits(shape, rows, encodeShared(shape))) {
            return fallback.encode(shape, rows, means, codes, gains);
        }
        try {
            return Pieces.run(device, shape.tokens(), 1, (first, count) -> encode(part(shape, count), first, rows, means, codes, gains));
        } catch (CudaOutOfMemoryException e) {
            return fallback.encode(shape, rows, means, codes, gains);
        }
    }

    private long encode(RotationShape shape, int first, Rows rows, MemorySegment means, MemorySegment codes, MemorySegment gains) {
        long rowBytes = rowBytes(shape.channels(), rows);
        long codeRow = shape.codeBytes() / shape.tokens();
        try (Operation operation = device.begin()) {
            long flags = operation.newFlags();
            long mean = shape.centered() ? operation.in(means, 0, 2L * shape.channels()) : 0;
            if (shape.centered()) {
                operation.findInfinite(shape.parameter(), mean, shape.channels(), flags);
            }
            long packed = operation.out(codes, first * codeRow, shape.codeBytes());
            long gain = operation.out(gains, 2L * first * shape.heads(), 2 * shape.gains());
            long from = operation.in(rows.memory(), first * rowBytes, shape.tokens() * rowBytes);
            RotationConstants constants = shape.constants();
            long signs = signs(operation, constants);
            Parameters parameters = rows(operation, operation.parameters(), from, rows, first, shape.channels());
            rotation(parameters, shape, constants, packed, gain, mean, flags, signs);
            operation.launch(Kernel.ROTATED_ENCODE, 1, blocksOf(shape.tokens(), 1), WARP_THREADS, encodeShared(shape), parameters);
            operation.finish();
            operation.requireFinite("means");
            return operation.count();
        }
    }

    @Override
    public void decode(RotationShape shape, MemorySegment codes, MemorySegment gains, MemorySegment means, Rows rows) {
        if (shape.tokens() == 0) {
            return;
        }
        if (!fits(shape, rows, 2 * WARPS * shape.headDim())) {
            fallback.decode(shape, codes, gains, means, rows);
            return;
        }
        try {
            Pieces.run(device, shape.tokens(), 1, (first, count) -> decode(part(shape, count), first, codes, gains, means, rows));
        } catch (CudaOutOfMemoryException e) {
            fallback.decode(shape, codes, gains, means, rows);
        }
    }

    private long decode(RotationShape shape, int first, MemorySegment codes, MemorySegment gains, MemorySegment means, Rows rows) {
        long rowBytes = rowBytes(shape.channels(), rows);
        long codeRow = shape.codeBytes() / shape.tokens();
        try (Operation operation = device.begin()) {
            long flag = operation.newFlags();
            long mean = shape.centered() ? operation.in(means, 0, 2L * shape.channels()) : 0;
            long gain = operation.in(gains, 2L * first * shape.heads(), 2 * shape.gains());
            operation.findInfinite(shape.parameter(), gain, shape.gains(), flag);
            if (shape.centered()) {
                operation.findInfinite(shape.parameter(), mean, shape.channels(), flag);
            }
            long packed = operation.in(codes, first * codeRow, shape.codeBytes());
            long to = operation.out(rows.memory(), first * rowBytes, shape.tokens() * rowBytes);
            RotationConstants constants = shape.constants();
            long signs = signs(operation, constants);
            Parameters parameters = rows(operation, operation.parameters(), to, rows, first, shape.channels());
            rotation(parameters, shape, constants, packed, gain, mean, 0, signs);
            long blocks = Math.ceilDiv(shape.gains(), WARPS);
            operation.launch(Kernel.ROTATED_DECODE, (int) Math.min(blocks, 1 << 20), 1, WARP_THREADS, 2 * WARPS * shape.headDim(), parameters);
            operation.finish();
            operation.requireFinite("gains or means");
            return 0;
        }
    }

    @Override
    public boolean toFp8(Rows rows, int tokens, int width, MemorySegment scales, MemorySegment elements) {
        if (tokens == 0) {
            return true;
        }
        try {
            return Pieces.run(device, tokens, 1, (first, count) -> fp8(true, rows, first, count, width, scales, elements)) == 0;
        } catch (CudaOutOfMemoryException e) {
            return fallback.toFp8(rows, tokens, width, scales, elements);
        }
    }

    @Override
    public boolean fromFp8(MemorySegment scales, MemorySegment elements, int tokens, int width, Rows rows) {
        if (tokens == 0) {
            return true;
        }
        try {
            return Pieces.run(device, tokens, 1, (first, count) -> fp8(false, rows, first, count, width, scales, elements)) == 0;
        } catch (CudaOutOfMemoryException e) {
            return fallback.fromFp8(scales, elements, tokens, width, rows);
        }
    }

    private long fp8(boolean quantize, Rows rows, int first, int tokens, int width, MemorySegment scales, MemorySegment elements) {
        long rowBytes = rowBytes(width, rows);
        long blocks = MxBlocks.scales(1, width);
        try (Operation operation = device.begin()) {
            long memory = quantize ? operation.in(rows.memory(), first * rowBytes, tokens * rowBytes) : operation.out(rows.memory(), first * rowBytes, tokens * rowBytes);
            long scale = quantize ? operation.out(scales, first * blocks, tokens * blocks) : operation.in(scales, first * blocks, tokens * blocks);
            long element = quantize ? operation.out(elements, (long) first * width, (long) tokens * width) : operation.in(elements, (long) first * width, (long) tokens * width);
            Parameters parameters = rows(operation, operation.parameters(), memory, rows, first, width);
            parameters.put(scale).put(element).put(operation.newFlags()).put(tokens).put(0);
            if (quantize) {
                operation.launch(Kernel.FP8_QUANTIZE, Math.ceilDiv(width, VALUE_CHANNELS), blocksOf(tokens, VALUE_ROWS), Operation.THREADS, 0, parameters);
            } else {
                operation.launchFor(Kernel.FP8_DEQUANTIZE, tokens, width, parameters);
            }
            operation.finish();
            return operation.count();
        }
    }

    @Override
    public boolean measure(MemorySegment x, MemorySegment y, ElementType type, long count, int piece, double[] sums) {
        sums[0] = 0;
        sums[1] = 0;
        int pieces = Math.toIntExact(Math.ceilDiv(count, (long) piece));
        if (pieces == 0) {
            return true;
        }
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment parts = arena.allocate(ValueLayout.JAVA_DOUBLE, 2L * pieces);
            Parameters parameters = operation.parameters().put(operation.in(x, 0, count * type.bytes())).put(operation.in(y, 0, count * type.bytes()))
                    .put(operation.out(parts, 0, parts.byteSize())).put(count).put(piece).put(number(type));
            operation.launch(Kernel.MEASURE_ERRORS, pieces, 1, WARP_THREADS, 0, parameters);
            operation.finish();
            for (int i = 0; i < pieces; i++) {
                double error = parts.getAtIndex(ValueLayout.JAVA_DOUBLE, 2L * i);
                if (!Double.isFinite(error)) {
                    return false;
                }
                sums[0] += error;
                sums[1] += parts.getAtIndex(ValueLayout.JAVA_DOUBLE, 2L * i + 1);
            }
            return true;
        } catch (CudaOutOfMemoryException e) {
            device.lane().shrink();
            return fallback.measure(x, y, type, count, piece, sums);
        }
    }
}
