package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.GemmKernel;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformKernel;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.MemorySegment;

/** {@link TransformKernel} and {@link GemmKernel} on the device: one kernel, whose sums are chains in the order that the two name. */
final class CudaMatrices implements TransformKernel, GemmKernel {
    private static final int TILE = 64;
    private static final int FLOATS = 0;
    private static final int BASIS = 1;
    private static final int BASIS_TRANSPOSED = 2;

    private final Device device;
    private final TransformKernel hostTransform;
    private final GemmKernel hostGemm;

    CudaMatrices(Device device, TransformKernel hostTransform, GemmKernel hostGemm) {
        this.device = device;
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
            device.lane().shrink();
            requireHost(rows, coefficients);
            hostTransform.synthesize(basis, coefficients, from, fromStride, rows, to, toStride, tokens, scratch);
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
            device.lane().shrink();
            requireHost(rows, coefficients);
            hostTransform.analyze(basis, rows, from, fromStride, coefficients, to, toStride, tokens, scratch);
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
            long right = bBytes == 0 ? 0 : operation.in(b.memory(), b.offset(), bBytes);
            launch(operation, left, a.stride(), a.transposed(), new Right(FLOATS, right, b.stride(), b.transposed(), 0, 0, 0), sums, c.stride(), m, n, k, false);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            device.lane().shrink();
            requireHost(a.memory(), b.memory(), c.memory());
            hostGemm.multiplyAdd(m, n, k, a, b, c, scratch);
        }
    }

    /** Codecs that multiply matrices keep them in the host's memory. */
    private void requireHost(MemorySegment... segments) {
        for (MemorySegment segment : segments) {
            if (device.context().isDevice(segment)) {
                throw new IllegalStateException("the device has no memory left to multiply matrices that it has");
            }
        }
    }
}
