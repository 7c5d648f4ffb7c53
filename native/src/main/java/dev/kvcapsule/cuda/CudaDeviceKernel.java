package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.kernel.RotationShape;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * {@link DeviceKernel} on CUDA: a kernel reads rows in their own type, undoes RoPE on the way, and writes codes. Without memory for all tokens it takes fewer at a time, without memory for a few the
 * processor takes over, as for shapes that a block's memory does not hold.
 */
final class CudaDeviceKernel implements DeviceKernel {
    private static final int MEASURE_THREADS = 128;
    /** Of a block. */
    private static final int MEASURE_PIECES = 16;

    private final Device device;
    private final DeviceMemory memory;
    private final Kernels host;
    private final HostDeviceKernel fallback;
    private final KiviLaunches kivi;
    private final RotatedLaunches rotated;
    private final Fp8Launches fp8;
    private final JoinLaunches joins;

    CudaDeviceKernel(Device device, Kernels host) {
        this.device = device;
        this.memory = new DeviceMemory(device);
        this.host = host;
        this.fallback = new HostDeviceKernel(memory, host);
        this.kivi = new KiviLaunches(device);
        this.rotated = new RotatedLaunches(device);
        this.fp8 = new Fp8Launches(device);
        this.joins = new JoinLaunches(device);
    }

    @Override
    public MemoryPlace memory() {
        return memory;
    }

    @Override
    public Kernels host() {
        return host;
    }

    @Override
    public long quantize(QuantShape shape, Rows rows, MemorySegment codes, MemorySegment zeros, MemorySegment steps) {
        if (shape.tokens() == 0) {
            return 0;
        }
        try {
            return Pieces.run(device, shape.tokens(), shape.group(), (first, count) -> kivi.quantize(KiviLaunches.part(shape, count), first, rows, codes, zeros, steps));
        } catch (CudaOutOfMemoryException e) {
            return fallback.quantize(shape, rows, codes, zeros, steps);
        }
    }

    @Override
    public void dequantize(QuantShape shape, MemorySegment codes, MemorySegment zeros, MemorySegment steps, Rows rows) {
        if (shape.tokens() == 0) {
            return;
        }
        try {
            Pieces.run(device, shape.tokens(), shape.group(), (first, count) -> kivi.dequantize(KiviLaunches.part(shape, count), first, codes, zeros, steps, rows));
        } catch (CudaOutOfMemoryException e) {
            fallback.dequantize(shape, codes, zeros, steps, rows);
        }
    }

    @Override
    public void means(RotationShape shape, Rows rows, MemorySegment means) {
        try {
            rotated.means(shape, rows, means);
        } catch (CudaOutOfMemoryException e) {
            device.lane().shrink();
            fallback.means(shape, rows, means);
        }
    }

    @Override
    public long encode(RotationShape shape, Rows rows, MemorySegment means, MemorySegment codes, MemorySegment gains) {
        if (shape.tokens() == 0) {
            return 0;
        }
        if (!RotatedLaunches.canEncode(shape, rows)) {
            return fallback.encode(shape, rows, means, codes, gains);
        }
        try {
            return Pieces.run(device, shape.tokens(), 1, (first, count) -> rotated.encode(RotatedLaunches.part(shape, count), first, rows, means, codes, gains));
        } catch (CudaOutOfMemoryException e) {
            return fallback.encode(shape, rows, means, codes, gains);
        }
    }

    @Override
    public void decode(RotationShape shape, MemorySegment codes, MemorySegment gains, MemorySegment means, Rows rows) {
        if (shape.tokens() == 0) {
            return;
        }
        if (!RotatedLaunches.canDecode(shape, rows)) {
            fallback.decode(shape, codes, gains, means, rows);
            return;
        }
        try {
            Pieces.run(device, shape.tokens(), 1, (first, count) -> rotated.decode(RotatedLaunches.part(shape, count), first, codes, gains, means, rows));
        } catch (CudaOutOfMemoryException e) {
            fallback.decode(shape, codes, gains, means, rows);
        }
    }

    @Override
    public boolean toFp8(Rows rows, int tokens, int width, MemorySegment scales, MemorySegment elements) {
        if (tokens == 0) {
            return true;
        }
        try {
            return Pieces.run(device, tokens, 1, (first, count) -> fp8.run(true, rows, first, count, width, scales, elements)) == 0;
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
            return Pieces.run(device, tokens, 1, (first, count) -> fp8.run(false, rows, first, count, width, scales, elements)) == 0;
        } catch (CudaOutOfMemoryException e) {
            return fallback.fromFp8(scales, elements, tokens, width, rows);
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
                    .put(operation.out(parts, 0, parts.byteSize())).put(count).put(piece).put(RowParameters.number(type));
            operation.launch(Kernel.MEASURE_ERRORS, Math.ceilDiv(pieces, MEASURE_PIECES), 1, MEASURE_THREADS, 0, parameters);
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

    @Override
    public boolean join(List<Columns> columns, int tokens, int largest, MemorySegment vectors) {
        if (tokens == 0 || JoinLaunches.width(columns) == 0) {
            return true;
        }
        try {
            return Pieces.run(device, tokens, 1, (first, count) -> joins.run(true, columns, first, count, largest, vectors)) == 0;
        } catch (CudaOutOfMemoryException e) {
            return fallback.join(columns, tokens, largest, vectors);
        }
    }

    @Override
    public void split(MemorySegment vectors, int tokens, List<Columns> columns) {
        if (tokens == 0 || JoinLaunches.width(columns) == 0) {
            return;
        }
        try {
            Pieces.run(device, tokens, 1, (first, count) -> joins.run(false, columns, first, count, 0, vectors));
        } catch (CudaOutOfMemoryException e) {
            fallback.split(vectors, tokens, columns);
        }
    }
}
