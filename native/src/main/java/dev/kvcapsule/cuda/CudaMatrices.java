package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.GemmKernel;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformKernel;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/** {@link TransformKernel} and {@link GemmKernel} on the device: one kernel, whose sums are chains in the order that the two name. */
final class CudaMatrices implements TransformKernel, GemmKernel {
    private static final int TILE = 64;
    private static final int FLOATS = 0;
    private static final int BASIS = 1;
    private static final int BASIS_TRANSPOSED = 2;

    /** Rows of a block that multiplies by blocks on a diagonal. */
    private static final int BLOCK_ROWS = 8;

    private final Device device;
    private final MemoryPlace memory;
    private final TransformKernel hostTransform;
    private final GemmKernel hostGemm;

    CudaMatrices(Device device, MemoryPlace memory, TransformKernel hostTransform, GemmKernel hostGemm) {
        this.device = device;
        this.memory = memory;
        this.hostTransform = hostTransform;
        this.hostGemm = hostGemm;
    }

    private static long span(long stride, int rows, int columns) {
        if (rows < 0 || columns < 0 || stride < columns) {
            throw new IllegalArgumentException(rows + " rows of " + columns + " values, " + stride + " apart");
        }
        return rows == 0 || columns == 0 ? 0 : Math.multiplyExact(4L, Math.addExact(Math.multiplyExact(stride, rows - 1L), columns));
    }

    /** Bytes of an operand, which lie in its memory. */
    private static long span(Operand operand, int rows, int columns) {
        long bytes = span(operand.stride(), operand.transposed() ? columns : rows, operand.transposed() ? rows : columns);
        Operation.check(operand.memory(), operand.offset(), bytes);
        return bytes;
    }

    /** A product's operands on the device, and how they lie. */
    private record Right(int operand, long floats, long stride, boolean transposed, long codes, long scales, int width) {}

    /** What only is read may be kept there: {@link GemmKernel#multiplyAdd}. */
    private static long right(Operation operation, Operand b, long bytes) {
        return b.memory().isReadOnly() ? operation.lasting(b.memory().asSlice(b.offset(), bytes), b.memory()) : operation.in(b.memory(), b.offset(), bytes);
    }

    private static void launch(Operation operation, long a, long aStride, boolean aTransposed, Right b, long c, long cStride, int m, int n, int k, boolean fromZero) {
        Parameters parameters = operation.parameters().put(a).put(b.floats()).put(b.codes()).put(b.scales()).put(c).put(aStride).put(b.stride()).put(cStride).put(m).put(n).put(k)
                .put(aTransposed).put(b.transposed()).put(b.operand()).put(b.width()).put(fromZero);
        int rows = Math.ceilDiv(m, TILE);
        if (rows > Operation.MOST_ROWS) {
            throw new IllegalArgumentException(m + " rows at once");
        }
        operation.launch(Kernel.CHAINED_PRODUCT, Math.ceilDiv(n, TILE), rows, Operation.THREADS, 0, parameters);
    }

    private static Right basis(Operation operation, TransformBasis basis, int operand) {
        MemorySegment code = basis.codes().asSlice(0, (long) basis.components() * basis.width());
        MemorySegment scale = basis.scales().asSlice(0, 2L * basis.components() * TransformBasis.runs(basis.width()));
        long codes = basis.lasts() ? operation.lasting(code, basis.whole().codes()) : operation.in(code, 0, code.byteSize());
        long scales = basis.lasts() ? operation.lasting(scale, basis.whole().scales()) : operation.in(scale, 0, scale.byteSize());
        return new Right(operand, 0, 0, false, codes, scales, basis.width());
    }

    @Override
    public void synthesize(TransformBasis basis, MemorySegment coefficients, long from, long fromStride, MemorySegment rows, long to, long toStride, int tokens,
            TransformScratch scratch) {
        long fromBytes = span(fromStride, tokens, basis.components());
        long toBytes = span(toStride, tokens, basis.width());
        if (tokens == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long sums = operation.inOut(rows, to, toBytes);
            long values = fromBytes == 0 ? 0 : operation.in(coefficients, from, fromBytes);
            Right right = basis.components() == 0 ? new Right(FLOATS, 0, 0, false, 0, 0, 0) : basis(operation, basis, BASIS);
            launch(operation, values, fromStride, false, right, sums, toStride, tokens, basis.width(), basis.components(), false);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            onHost(rows.asSlice(to, toBytes), hostRows -> onHost(coefficients, from, fromBytes,
                    c -> hostTransform.synthesize(basis, c, 0, fromStride, hostRows, 0, toStride, tokens, scratch)));
        }
    }

    @Override
    public void analyze(TransformBasis basis, MemorySegment rows, long from, long fromStride, MemorySegment coefficients, long to, long toStride, int tokens,
            TransformScratch scratch) {
        long fromBytes = span(fromStride, tokens, basis.width());
        long toBytes = span(toStride, tokens, basis.components());
        if (toBytes == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            // Gaps between the rows of coefficients stay as they are.
            long sums = toStride == basis.components() ? operation.out(coefficients, to, toBytes) : operation.inOut(coefficients, to, toBytes);
            long values = operation.in(rows, from, fromBytes);
            launch(operation, values, fromStride, false, basis(operation, basis, BASIS_TRANSPOSED), sums, toStride, tokens, basis.components(), basis.width(), true);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            onHost(coefficients.asSlice(to, toBytes), hostCoefficients -> onHost(rows, from, fromBytes,
                    x -> hostTransform.analyze(basis, x, 0, fromStride, hostCoefficients, 0, toStride, tokens, scratch)));
        }
    }

    @Override
    public void multiplyAdd(int m, int n, int k, Operand a, Operand b, Operand c, TransformScratch scratch) {
        if (c.transposed()) {
            throw new IllegalArgumentException("the sum is stored by rows");
        }
        long aBytes = span(a, m, k);
        long bBytes = span(b, k, n);
        long cBytes = span(c, m, n);
        if (cBytes == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long sums = operation.inOut(c.memory(), c.offset(), cBytes);
            long left = aBytes == 0 ? 0 : operation.in(a.memory(), a.offset(), aBytes);
            long right = bBytes == 0 ? 0 : right(operation, b, bBytes);
            launch(operation, left, a.stride(), a.transposed(), new Right(FLOATS, right, b.stride(), b.transposed(), 0, 0, 0), sums, c.stride(), m, n, k, false);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            onHost(c.memory().asSlice(c.offset(), cBytes), sums -> onHost(a.memory(), a.offset(), aBytes, left -> onHost(b.memory(), b.offset(), bBytes,
                    right -> hostGemm.multiplyAdd(m, n, k, new Operand(left, 0, a.stride(), a.transposed()), new Operand(right, 0, b.stride(), b.transposed()),
                            new Operand(sums, 0, c.stride(), false), scratch))));
        }
    }

    @Override
    public void multiplyBlocks(int tokens, int[] dims, MemorySegment rows, MemorySegment blocks, MemorySegment out, TransformScratch scratch) {
        HeadTable heads = new HeadTable(dims);
        long bytes = span(heads.width(), tokens, heads.width());
        if (bytes == 0) {
            return;
        }
        int tiles = Math.ceilDiv(tokens, BLOCK_ROWS);
        if (tiles > Operation.MOST_ROWS) {
            throw new IllegalArgumentException(tokens + " rows at once");
        }
        MemorySegment matrices = blocks.asSlice(0, 4 * heads.floats());
        try (Operation operation = device.begin()) {
            long to = operation.out(out, 0, bytes);
            Parameters parameters = heads.begin(operation).put(operation.in(rows, 0, bytes)).put(operation.lasting(matrices, blocks)).put(to).put((long) heads.width()).put(tokens)
                    .put(dims.length);
            int threads = Math.min(Operation.THREADS, Math.ceilDiv(heads.widest(), 32) * 32);
            operation.launch(Kernel.MULTIPLY_BLOCKS, dims.length, tiles, threads, 0, parameters);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            onHost(out.asSlice(0, bytes), hostOut -> onHost(rows, 0, bytes, x -> hostGemm.multiplyBlocks(tokens, dims, x, blocks, hostOut, scratch)));
        }
    }

    /** Work on the processor that reads a matrix: fetched if the device has it. */
    private void onHost(MemorySegment segment, long offset, long bytes, Consumer<MemorySegment> work) {
        try (Arena arena = Arena.ofConfined()) {
            work.accept(bytes == 0 ? arena.allocate(4) : HostOperands.fetched(memory, arena, segment.asSlice(offset, bytes), bytes));
        }
    }

    /** Work on the processor that changes a matrix: it comes back. */
    private void onHost(MemorySegment segment, Consumer<MemorySegment> work) {
        device.lane().shrink();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment here = HostOperands.fetched(memory, arena, segment, segment.byteSize());
            work.accept(here);
            if (memory.isDevice(segment)) {
                memory.copy(here, 0, segment, 0, segment.byteSize());
            }
        }
    }
}
