package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.ConvertKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.MemorySegment;

/** {@link ConvertKernel} on the device. */
final class CudaConvert implements ConvertKernel {
    private final Device device;
    private final MemoryPlace memory;
    private final HostOperands fallback;
    private final ConvertKernel host;

    CudaConvert(Device device, MemoryPlace memory, ConvertKernel host) {
        this.device = device;
        this.memory = memory;
        this.fallback = new HostOperands(device, memory);
        this.host = host;
    }

    @Override
    public void toF32(ElementType type, MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        if (type == ElementType.F32) {
            copy(source, sourceOffset, target, targetOffset, 4 * count);
            return;
        }
        convert(Kernel.CONVERT_TO_F32, type, source, sourceOffset, 2 * count, target, targetOffset, 4 * count, count,
                (from, to) -> host.toF32(type, from, 0, to, 0, count));
    }

    @Override
    public void fromF32(ElementType type, MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        if (type == ElementType.F32) {
            copy(source, sourceOffset, target, targetOffset, 4 * count);
            return;
        }
        convert(Kernel.CONVERT_FROM_F32, type, source, sourceOffset, 4 * count, target, targetOffset, 2 * count, count,
                (from, to) -> host.fromF32(type, from, 0, to, 0, count));
    }

    private void copy(MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long bytes) {
        if (!source.isNative() || !target.isNative()) {
            throw new IllegalArgumentException("kernels take native segments only; copy heap data in first");
        }
        if (target.isReadOnly()) {
            throw new IllegalArgumentException("destination segment is read-only");
        }
        memory.copy(source, sourceOffset, target, targetOffset, bytes);
    }

    private void convert(Kernel kernel, ElementType type, MemorySegment source, long sourceOffset, long sourceBytes, MemorySegment target, long targetOffset, long targetBytes,
            long count, HostOperands.Work onHost) {
        if (count == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long from = operation.in(source, sourceOffset, sourceBytes);
            long to = operation.out(target, targetOffset, targetBytes);
            operation.launchFor(kernel, count, operation.parameters().put(from).put(to).put(0L).put(count).put(RowParameters.number(type)).put(0));
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(source.asSlice(sourceOffset, sourceBytes), target.asSlice(targetOffset, targetBytes), onHost);
        }
    }

    @Override
    public boolean allFinite(ElementType type, MemorySegment segment, long offset, long count) {
        if (count == 0) {
            return true;
        }
        try (Operation operation = device.begin()) {
            long values = operation.in(segment, offset, count * type.bytes());
            operation.findInfinite(type, values, count, operation.newFlags());
            operation.finish();
            return operation.foundFinite();
        } catch (CudaOutOfMemoryException e) {
            boolean[] finite = new boolean[1];
            fallback.run(segment.asSlice(offset, count * type.bytes()), MemorySegment.NULL, (values, nothing) -> finite[0] = host.allFinite(type, values, 0, count));
            return finite[0];
        }
    }
}
