package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.HadamardKernel;
import dev.kvcapsule.engine.kernel.RotationShape;
import java.lang.foreign.MemorySegment;

/** {@link HadamardKernel} on the device: rows as they are, without RoPE. */
final class CudaHadamard implements HadamardKernel {
    private final DeviceKernel device;

    CudaHadamard(DeviceKernel device) {
        this.device = device;
    }

    private static DeviceKernel.Rows rows(RotationShape shape, MemorySegment rows, long offset) {
        return new DeviceKernel.Rows(rows.asSlice(offset, shape.rowBytes()), shape.rows(), null);
    }

    private static MemorySegment means(RotationShape shape, MemorySegment means, long offset) {
        return shape.centered() ? means.asSlice(offset) : MemorySegment.NULL;
    }

    @Override
    public void means(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset) {
        device.means(shape, rows(shape, rows, rowsOffset), means.asSlice(meansOffset));
    }

    @Override
    public long encode(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset, MemorySegment codes, long codesOffset, MemorySegment gains,
            long gainsOffset) {
        return device.encode(shape, rows(shape, rows, rowsOffset), means(shape, means, meansOffset), codes.asSlice(codesOffset), gains.asSlice(gainsOffset));
    }

    @Override
    public void decode(RotationShape shape, MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset, MemorySegment means, long meansOffset, MemorySegment rows,
            long rowsOffset) {
        device.decode(shape, codes.asSlice(codesOffset), gains.asSlice(gainsOffset), means(shape, means, meansOffset), rows(shape, rows, rowsOffset));
    }
}
