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

    private static void launch(Operation operation, int step, long rows, long operand, long out, int tokens, int stride, int count) {
        operation.launchFor(Kernel.COMBINE_ROWS, tokens, count, operation.parameters().put(rows).put(operand).put(out).put((long) stride).put(tokens).put(count).put(step).put(0));
    }

    @Override
    public void combine(Step step, MemorySegment rows, int tokens, float[] operand, MemorySegment out) {
        long bytes = bytes(tokens, operand.length);
        if (bytes == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            boolean inPlace = rows.address() == out.address();
            long to = inPlace ? operation.inOut(out, 0, bytes) : operation.out(out, 0, bytes);
            long from = inPlace ? to : operation.in(rows, 0, bytes);
            launch(operation, step.ordinal(), from, operation.floats(operand, operand.length), to, tokens, operand.length, operand.length);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(rows.asSlice(0, bytes), out.asSlice(0, bytes), (from, to) -> host.combine(step, from, tokens, operand, to));
        }
    }

    @Override
    public void spread(float[] row, int tokens, MemorySegment rows) {
        long bytes = bytes(tokens, row.length);
        if (bytes == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long to = operation.out(rows, 0, bytes);
            launch(operation, SPREAD, to, operation.floats(row, row.length), to, tokens, row.length, row.length);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(MemorySegment.NULL, rows.asSlice(0, bytes), (nothing, to) -> host.spread(row, tokens, to));
        }
    }

    @Override
    public void subtractFrom(MemorySegment minuend, MemorySegment rows, int tokens, int width) {
        long bytes = bytes(tokens, width);
        if (bytes == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long to = operation.inOut(rows, 0, bytes);
            launch(operation, SUBTRACT_FROM, to, operation.in(minuend, 0, bytes), to, tokens, width, width);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(minuend.asSlice(0, bytes), rows.asSlice(0, bytes), (from, to) -> host.subtractFrom(from, to, tokens, width));
        }
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
        long bytes = bytes(tokens, stride, count);
        if (bytes == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long to = operation.inOut(rows, 0, bytes);
            launch(operation, NEGATE, to, 0, to, tokens, stride, count);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(MemorySegment.NULL, rows.asSlice(0, bytes), (nothing, to) -> host.negate(to, tokens, stride, count));
        }
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
        long bytes = bytes(tokens, stride);
        long taken = bytes(tokens, count);
        if (taken == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long to = operation.out(out, 0, taken);
            long from = operation.in(rows, 0, bytes);
            operation.launchFor(Kernel.TAKE_COLUMNS, tokens, count, columns(operation, from, to, tokens, stride, columns, count));
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(rows.asSlice(0, bytes), out.asSlice(0, taken), (from, to) -> host.takeColumns(from, tokens, stride, columns, count, to));
        }
    }

    @Override
    public void addToColumns(MemorySegment addends, int tokens, int stride, int[] columns, int count, MemorySegment rows) {
        checkColumns(columns, count, stride);
        long bytes = bytes(tokens, stride);
        long added = bytes(tokens, count);
        if (added == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long to = operation.inOut(rows, 0, bytes);
            long from = operation.in(addends, 0, added);
            operation.launchFor(Kernel.ADD_TO_COLUMNS, tokens, count, columns(operation, from, to, tokens, stride, columns, count));
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(addends.asSlice(0, added), rows.asSlice(0, bytes), (from, to) -> host.addToColumns(from, tokens, stride, columns, count, to));
        }
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
        if (bytes == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long to = operation.out(values, 0, bytes);
            long from = operation.in(codes, 0, bytes);
            operation.launchFor(Kernel.RESTORE_STEPS, tokens, components, steps(operation, to, from, 0, tokens, components, steps));
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(codes.asSlice(0, bytes), values.asSlice(0, bytes), (from, to) -> host.restore(from, tokens, components, steps, to));
        }
    }
}
