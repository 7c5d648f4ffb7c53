package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RopeTable;
import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** {@link RopeKernel} on the device. */
final class CudaRope implements RopeKernel {
    private final Device device;
    private final HostOperands fallback;
    private final RopeKernel host;

    CudaRope(Device device, MemoryPlace memory, RopeKernel host) {
        this.device = device;
        this.fallback = new HostOperands(device, memory);
        this.host = host;
    }

    @Override
    public void rotate(RopeTable table, int firstRow, MemorySegment rows, long offset, int tokens, int heads, int headDim, Pairing pairing, boolean inverse) {
        if (heads < 1 || headDim < 1 || headDim < 2L * table.pairs()) {
            throw new IllegalArgumentException(heads + " heads of " + headDim + " channels, " + table.pairs() + " pairs to rotate");
        }
        Objects.checkFromIndexSize(firstRow, tokens, table.positions());
        int channels = Math.multiplyExact(heads, headDim);
        long bytes = 4L * tokens * channels;
        if (tokens == 0 || table.pairs() == 0) {
            return;
        }
        try (Operation operation = device.begin()) {
            long data = operation.inOut(rows, offset, bytes);
            DeviceKernel.Rows turned = new DeviceKernel.Rows(rows, ElementType.F32, new DeviceKernel.Turn(table, pairing, headDim));
            Parameters parameters = RowParameters.begin(operation, data, turned, firstRow, channels).put(tokens).put(inverse ? -1f : 1f);
            operation.launchFor(Kernel.ROPE_ROTATE, tokens, channels, parameters);
            operation.finish();
        } catch (CudaOutOfMemoryException e) {
            fallback.run(MemorySegment.NULL, rows.asSlice(offset, bytes), (nothing, values) -> host.rotate(table, firstRow, values, 0, tokens, heads, headDim, pairing, inverse));
        }
    }
}
