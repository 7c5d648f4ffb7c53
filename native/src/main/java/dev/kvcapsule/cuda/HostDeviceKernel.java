package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.ErrorSums;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.MxBlocks;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.kernel.RotationShape;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** What a device does in one go, on the processor and step by step: for when the device has no memory left. What is in its memory is fetched and brought back. */
final class HostDeviceKernel implements DeviceKernel {
    private final MemoryPlace memory;
    private final Kernels host;

    HostDeviceKernel(MemoryPlace memory, Kernels host) {
        this.memory = memory;
        this.host = host;
    }

    @Override
    public MemoryPlace memory() {
        return memory;
    }

    @Override
    public Kernels host() {
        return host;
    }

    private MemorySegment fetched(Arena arena, MemorySegment segment, long bytes) {
        return HostOperands.fetched(memory, arena, segment, bytes);
    }

    private MemorySegment room(Arena arena, MemorySegment segment, long bytes) {
        return memory.isDevice(segment) ? arena.allocate(Math.max(1, bytes), 64) : segment;
    }

    private void bring(MemorySegment from, MemorySegment to, long bytes) {
        if (memory.isDevice(to)) {
            memory.copy(from, 0, to, 0, bytes);
        }
    }

    /** Binary32, with RoPE undone. */
    private MemorySegment floats(Arena arena, Rows rows, int tokens, int channels) {
        long elements = (long) tokens * channels;
        MemorySegment floats = arena.allocate(Math.max(1, 4 * elements), 64);
        host.convert().toF32(rows.type(), fetched(arena, rows.memory(), elements * rows.type().bytes()), 0, floats, 0, elements);
        turn(rows, floats, tokens, channels, true);
        return floats;
    }

    private void turn(Rows rows, MemorySegment floats, int tokens, int channels, boolean inverse) {
        if (rows.turn() != null) {
            Turn turn = rows.turn();
            host.rope().rotate(turn.table(), 0, floats, 0, tokens, channels / turn.headDim(), turn.headDim(), turn.pairing(), inverse);
        }
    }

    private void store(Arena arena, MemorySegment floats, Rows rows, int tokens, int channels) {
        long elements = (long) tokens * channels;
        turn(rows, floats, tokens, channels, false);
        MemorySegment back = room(arena, rows.memory(), elements * rows.type().bytes());
        host.convert().fromF32(rows.type(), floats, 0, back, 0, elements);
        bring(back, rows.memory(), elements * rows.type().bytes());
    }

    private static QuantShape ofFloats(QuantShape shape) {
        return new QuantShape(shape.grouping(), shape.bits(), shape.group(), ElementType.F32, shape.parameter(), shape.tokens(), shape.channels());
    }

    private static RotationShape ofFloats(RotationShape shape) {
        return new RotationShape(shape.bits(), shape.headDim(), shape.seed(), shape.centered(), ElementType.F32, shape.parameter(), shape.tokens(), shape.channels());
    }

    @Override
    public long quantize(QuantShape shape, Rows rows, MemorySegment codes, MemorySegment zeros, MemorySegment steps) {
        long words = 2 * shape.parameters();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment code = room(arena, codes, shape.codeBytes());
            MemorySegment zero = room(arena, zeros, words);
            MemorySegment step = room(arena, steps, words);
            long refused = host.quant().quantize(ofFloats(shape), floats(arena, rows, shape.tokens(), shape.channels()), 0, code, 0, zero, 0, step, 0);
            bring(code, codes, shape.codeBytes());
            bring(zero, zeros, words);
            bring(step, steps, words);
            return refused;
        }
    }

    @Override
    public void dequantize(QuantShape shape, MemorySegment codes, MemorySegment zeros, MemorySegment steps, Rows rows) {
        long words = 2 * shape.parameters();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(Math.max(1, ofFloats(shape).rowBytes()), 64);
            host.quant().dequantize(ofFloats(shape), fetched(arena, codes, shape.codeBytes()), 0, fetched(arena, zeros, words), 0, fetched(arena, steps, words), 0, floats, 0);
            store(arena, floats, rows, shape.tokens(), shape.channels());
        }
    }

    @Override
    public void means(RotationShape shape, Rows rows, MemorySegment means) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mean = room(arena, means, 2L * shape.channels());
            host.hadamard().means(ofFloats(shape), floats(arena, rows, shape.tokens(), shape.channels()), 0, mean, 0);
            bring(mean, means, 2L * shape.channels());
        }
    }

    @Override
    public long encode(RotationShape shape, Rows rows, MemorySegment means, MemorySegment codes, MemorySegment gains) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mean = shape.centered() ? fetched(arena, means, 2L * shape.channels()) : MemorySegment.NULL;
            MemorySegment code = room(arena, codes, shape.codeBytes());
            MemorySegment gain = room(arena, gains, 2 * shape.gains());
            long refused = host.hadamard().encode(ofFloats(shape), floats(arena, rows, shape.tokens(), shape.channels()), 0, mean, 0, code, 0, gain, 0);
            bring(code, codes, shape.codeBytes());
            bring(gain, gains, 2 * shape.gains());
            return refused;
        }
    }

    @Override
    public void decode(RotationShape shape, MemorySegment codes, MemorySegment gains, MemorySegment means, Rows rows) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mean = shape.centered() ? fetched(arena, means, 2L * shape.channels()) : MemorySegment.NULL;
            MemorySegment floats = arena.allocate(Math.max(1, ofFloats(shape).rowBytes()), 64);
            host.hadamard().decode(ofFloats(shape), fetched(arena, codes, shape.codeBytes()), 0, fetched(arena, gains, 2 * shape.gains()), 0, mean, 0, floats, 0);
            store(arena, floats, rows, shape.tokens(), shape.channels());
        }
    }

    @Override
    public boolean toFp8(Rows rows, int tokens, int width, MemorySegment scales, MemorySegment elements) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment scale = room(arena, scales, MxBlocks.scales(tokens, width));
            MemorySegment element = room(arena, elements, (long) tokens * width);
            boolean finite = MxBlocks.quantize(floats(arena, rows, tokens, width), tokens, width, scale, element);
            bring(scale, scales, MxBlocks.scales(tokens, width));
            bring(element, elements, (long) tokens * width);
            return finite;
        }
    }

    @Override
    public boolean fromFp8(MemorySegment scales, MemorySegment elements, int tokens, int width, Rows rows) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(Math.max(1, 4L * tokens * width), 64);
            boolean good = MxBlocks.dequantize(fetched(arena, scales, MxBlocks.scales(tokens, width)), fetched(arena, elements, (long) tokens * width), tokens, width, floats);
            if (good) {
                store(arena, floats, rows, tokens, width);
            }
            return good;
        }
    }

    @Override
    public boolean measure(MemorySegment x, MemorySegment y, ElementType type, long count, int piece, double[] sums) {
        sums[0] = 0;
        sums[1] = 0;
        long bytes = count * type.bytes();
        int most = (int) Math.min(piece, count);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment original = fetched(arena, x, bytes);
            MemorySegment decoded = fetched(arena, y, bytes);
            MemorySegment floats = arena.allocate(Math.max(1, 4L * most), 64);
            float[] a = new float[most];
            float[] b = new float[most];
            for (long from = 0; from < count; from += piece) {
                int here = (int) Math.min(count - from, piece);
                load(original, type, from, here, floats, a);
                load(decoded, type, from, here, floats, b);
                double error = ErrorSums.squaredErrors(a, b, here);
                if (!Double.isFinite(error)) {
                    return false;
                }
                sums[0] += error;
                sums[1] += ErrorSums.squares(a, here);
            }
            return true;
        }
    }

    private void load(MemorySegment values, ElementType type, long first, int count, MemorySegment floats, float[] out) {
        host.convert().toF32(type, values, first * type.bytes(), floats, 0, count);
        MemorySegment.copy(floats, ValueLayout.JAVA_FLOAT, 0, out, 0, count);
    }

    @Override
    public boolean join(List<Columns> columns, int tokens, int largest, MemorySegment vectors) {
        int width = JoinLaunches.width(columns);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment joined = room(arena, vectors, 4L * tokens * width);
            long first = 0;
            for (Columns column : columns) {
                try (Arena temporary = Arena.ofConfined()) {
                    long elements = (long) tokens * column.channels();
                    MemorySegment floats = temporary.allocate(Math.max(4, 4 * elements), 64);
                    Rows rows = column.rows();
                    host.convert().toF32(rows.type(), fetched(temporary, rows.memory(), elements * rows.type().bytes()), 0, floats, 0, elements);
                    for (long i = 0; i < elements; i++) {
                        if ((floats.getAtIndex(ValueLayout.JAVA_INT, i) & 0x7FFFFFFF) >= largest) {
                            return false;
                        }
                    }
                    turn(rows, floats, tokens, column.channels(), true);
                    for (int t = 0; t < tokens; t++) {
                        MemorySegment.copy(floats, 4L * t * column.channels(), joined, 4 * ((long) t * width + first), 4L * column.channels());
                    }
                    first += column.channels();
                }
            }
            bring(joined, vectors, 4L * tokens * width);
            return true;
        }
    }

    @Override
    public void split(MemorySegment vectors, int tokens, List<Columns> columns) {
        int width = JoinLaunches.width(columns);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment joined = fetched(arena, vectors, 4L * tokens * width);
            long first = 0;
            for (Columns column : columns) {
                try (Arena temporary = Arena.ofConfined()) {
                    MemorySegment floats = temporary.allocate(Math.max(4, 4L * tokens * column.channels()), 64);
                    for (int t = 0; t < tokens; t++) {
                        MemorySegment.copy(joined, 4 * ((long) t * width + first), floats, 4L * t * column.channels(), 4L * column.channels());
                    }
                    store(temporary, floats, column.rows(), tokens, column.channels());
                    first += column.channels();
                }
            }
        }
    }
}
