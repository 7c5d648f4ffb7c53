package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.QuantKernel;
import dev.kvcapsule.engine.kernel.QuantShape;
import java.lang.foreign.MemorySegment;

/** {@link QuantKernel} on the device: rows as they are, without RoPE. */
final class CudaQuant implements QuantKernel {
    private final DeviceKernel device;

    CudaQuant(DeviceKernel device) {
        this.device = device;
    }

    private static DeviceKernel.Rows rows(QuantShape shape, MemorySegment rows, long offset) {
        return new DeviceKernel.Rows(rows.asSlice(offset, shape.rowBytes()), shape.rows(), null);
    }

    @Override
    public long quantize(QuantShape shape, MemorySegment rows, long rowsOffset, MemorySegment codes, long codesOffset, MemorySegment zeros, long zerosOffset, MemorySegment steps,
            long stepsOffset) {
        return device.quantize(shape, rows(shape, rows, rowsOffset), codes.asSlice(codesOffset), zeros.asSlice(zerosOffset), steps.asSlice(stepsOffset));
    }

    @Override
    public void dequantize(QuantShape shape, MemorySegment codes, long codesOffset, MemorySegment zeros, long zerosOffset, MemorySegment steps, long stepsOffset, MemorySegment rows,
            long rowsOffset) {
        device.dequantize(shape, codes.asSlice(codesOffset), zeros.asSlice(zerosOffset), steps.asSlice(stepsOffset), rows(shape, rows, rowsOffset));
    }
}
