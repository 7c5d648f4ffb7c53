package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.kernel.VectorKernel;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@link VectorKernel} on the device. */
final class CudaVectors implements VectorKernel {
    private static final int SPREAD = 4;
    private static final int SUBTRACT_FROM = 5;
    private static final int NEGATE = 6;

    private static final int SQUARE_THREADS = 128;
    private static final int SQUARE_ROWS = 4;

    private final Device device;
    private final HostOperands fallback;
    private final VectorKernel host;

    CudaVectors(Device device, MemoryPlace memory, VectorKernel host) {
        this.device = device;
        this.fallback = new HostOperands(device, memory);
        this.host = host;
    }

    private static long bytes(int tokens, int width) {
        if (tokens < 0 || width < 0) {
            throw new IllegalArgumentException(tokens + " rows of " + width + " numbers");
        }
        return Math.multiplyExact(4L * tokens, width);
    }

    /** What is asked of an operation's kernels. */
    private interface Launch {
        void on(Operation operation, long from, long to);
    }

    /**
     * Work on the device or, where that has no memory left, on the processor.
     *
     * @param in what it reads besides {@code out}; may have no bytes
     * @param changed whether it reads what it writes
     */
    private void run(MemorySegment in, MemorySegment out, boolean changed, Launch launch, HostOperands.Work onHost) {
        if (out.byteSize() == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long to = changed ? operation.inOut(out, 0, out.byteSize()) : operation.out(out, 0, out.byteSize());
            long from = in.byteSize() == 0 ? 0 : operation.in(in, 0, in.byteSize());
            launch.on(operation, from, to);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(in, out, onHost);
        }
    }

    private static void combine(Operation operation, int step, long rows, long operand, long out, int tokens, int stride, int count) {
        operation.launchFor(Kernel.COMBINE_ROWS, tokens, count, operation.parameters().put(rows).put(operand).put(out).put((long) stride).put(tokens).put(count).put(step).put(0));
    }

    @Override
    public void combine(Step step, MemorySegment rows, int tokens, float[] operand, MemorySegment out) {
        int width = operand.length;
        MemorySegment to = out.asSlice(0, bytes(tokens, width));
        if (rows.address() == out.address()) {
            run(MemorySegment.NULL, to, true, (operation, nothing, at) -> combine(operation, step.ordinal(), at, operation.floats(operand, width), at, tokens, width, width),
                    (nothing, here) -> host.combine(step, here, tokens, operand, here));
        } else {
            run(rows.asSlice(0, to.byteSize()), to, false, (operation, from, at) -> combine(operation, step.ordinal(), from, operation.floats(operand, width), at, tokens, width, width),
                    (from, here) -> host.combine(step, from, tokens, operand, here));
        }
    }

    @Override
    public void spread(float[] row, int tokens, MemorySegment rows) {
        run(MemorySegment.NULL, rows.asSlice(0, bytes(tokens, row.length)), false,
                (operation, nothing, to) -> combine(operation, SPREAD, to, operation.floats(row, row.length), to, tokens, row.length, row.length), (nothing, to) -> host.spread(row, tokens, to));
    }

    @Override
    public void subtractFrom(MemorySegment minuend, MemorySegment rows, int tokens, int width) {
        long bytes = bytes(tokens, width);
        run(minuend.asSlice(0, bytes), rows.asSlice(0, bytes), true, (operation, from, to) -> combine(operation, SUBTRACT_FROM, to, from, to, tokens, width, width),
                (from, to) -> host.subtractFrom(from, to, tokens, width));
    }

    /** Bytes of matrices of which the last row may be cut off. */
    private static long bytes(int tokens, int stride, int count) {
        if (stride < count) {
            throw new IllegalArgumentException("rows of " + count + " numbers, " + stride + " apart");
        }
        return tokens == 0 || count == 0 ? 0 : bytes(tokens - 1, stride) + 4L * count;
    }

    @Override
    public void negate(MemorySegment rows, int tokens, int stride, int count) {
        run(MemorySegment.NULL, rows.asSlice(0, bytes(tokens, stride, count)), true, (operation, nothing, to) -> combine(operation, NEGATE, to, 0, to, tokens, stride, count),
                (nothing, to) -> host.negate(to, tokens, stride, count));
    }

    @Override
    public double squares(MemorySegment rows, int tokens, int width) {
        long bytes = bytes(tokens, width);
        if (bytes == 0) {
            return 0;
        }
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment sums = arena.allocate(ValueLayout.JAVA_DOUBLE, tokens);
            Parameters parameters = operation.parameters().put(operation.in(rows, 0, bytes)).put(operation.out(sums, 0, sums.byteSize())).put((long) width).put(tokens).put(0);
            operation.launch(Kernel.SQUARE_ROWS, Math.ceilDiv(tokens, SQUARE_ROWS), 1, SQUARE_THREADS, 0, parameters);
            operation.finish();
            double sum = 0;
            for (int t = 0; t < tokens; t++) {
                sum += sums.getAtIndex(ValueLayout.JAVA_DOUBLE, t);
            }
            return sum;
        } catch (CudaOutOfMemoryException e) {
            double[] sum = new double[1];
            fallback.run(rows.asSlice(0, bytes), MemorySegment.NULL, (from, nothing) -> sum[0] = host.squares(from, tokens, width));
            return sum[0];
        }
    }

    @Override
    public void headSquares(MemorySegment rows, int tokens, int[] headDims, float[] sums) {
        HeadTable heads = new HeadTable(headDims);
        long bytes = bytes(tokens, heads.width());
        int count = tokens * headDims.length;
        if (bytes == 0) {
            return;
        }
        try (Arena arena = Arena.ofConfined(); Operation operation = device.begin()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, count);
            Parameters parameters = heads.begin(operation).put(operation.in(rows, 0, bytes)).put(0L).put(operation.out(out, 0, out.byteSize())).put((long) heads.width()).put(tokens)
                    .put(headDims.length);
            operation.launchFor(Kernel.SQUARE_HEADS, count, parameters);
            operation.finish();
            MemorySegment.copy(out, ValueLayout.JAVA_FLOAT, 0, sums, 0, count);
        } catch (CudaOutOfMemoryException e) {
            fallback.run(rows.asSlice(0, bytes), MemorySegment.NULL, (from, nothing) -> host.headSquares(from, tokens, headDims, sums));
        }
    }

    private static void checkColumns(int[] columns, int count, int stride) {
        for (int i = 0; i < count; i++) {
            if (columns[i] < 0 || columns[i] >= stride) {
                throw new IndexOutOfBoundsException("column " + columns[i] + " of " + stride);
            }
        }
    }

    private static Parameters columns(Operation operation, long from, long to, int tokens, int stride, int[] columns, int count) {
        return operation.parameters().put(from).put(to).put(operation.ints(columns, count)).put((long) stride).put(tokens).put(count);
    }

    @Override
    public void takeColumns(MemorySegment rows, int tokens, int stride, int[] columns, int count, MemorySegment out) {
        checkColumns(columns, count, stride);
        run(rows.asSlice(0, bytes(tokens, stride)), out.asSlice(0, bytes(tokens, count)), false,
                (operation, from, to) -> operation.launchFor(Kernel.TAKE_COLUMNS, tokens, count, columns(operation, from, to, tokens, stride, columns, count)),
                (from, to) -> host.takeColumns(from, tokens, stride, columns, count, to));
    }

    @Override
    public void addToColumns(MemorySegment addends, int tokens, int stride, int[] columns, int count, MemorySegment rows) {
        checkColumns(columns, count, stride);
        long added = bytes(tokens, count);
        run(addends.asSlice(0, added), rows.asSlice(0, added == 0 ? 0 : bytes(tokens, stride)), true,
                (operation, from, to) -> operation.launchFor(Kernel.ADD_TO_COLUMNS, tokens, count, columns(operation, from, to, tokens, stride, columns, count)),
                (from, to) -> host.addToColumns(from, tokens, stride, columns, count, to));
    }

    private static Parameters steps(Operation operation, long values, long codes, long found, int tokens, int components, float[] steps) {
        return operation.parameters().put(values).put(codes).put(operation.floats(steps, tokens)).put(found).put((long) components).put(tokens).put((float) CoefficientKernel.MAX_MAGNITUDE);
    }

    @Override
    public int quantize(MemorySegment values, int tokens, int components, float[] steps, MemorySegment codes) {
        long bytes = bytes(tokens, components);
        if (bytes == 0) {
            return 0;
        }
        try (Operation operation = device.begin()) {
            long to = operation.out(codes, 0, bytes);
            long from = operation.in(values, 0, bytes);
            operation.launchFor(Kernel.QUANTIZE_STEPS, tokens, components, steps(operation, from, to, operation.newFlags(), tokens, components, steps));
            operation.finish();
            return operation.foundFinite() ? operation.count() : -1;
        } catch (CudaOutOfMemoryException e) {
            int[] used = new int[1];
            fallback.run(values.asSlice(0, bytes), codes.asSlice(0, bytes), (from, to) -> used[0] = host.quantize(from, tokens, components, steps, to));
            return used[0];
        }
    }

    @Override
    public void restore(MemorySegment codes, int tokens, int components, float[] steps, MemorySegment values) {
        long bytes = bytes(tokens, components);
        run(codes.asSlice(0, bytes), values.asSlice(0, bytes), false,
                (operation, from, to) -> operation.launchFor(Kernel.RESTORE_STEPS, tokens, components, steps(operation, to, from, 0, tokens, components, steps)),
                (from, to) -> host.restore(from, tokens, components, steps, to));
    }
}
