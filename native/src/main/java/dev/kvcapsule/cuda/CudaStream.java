package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.driver.CudaDriver;
import java.lang.foreign.MemorySegment;

/** A queue of copies and launches that the device works off in order, beside those of other streams. */
public final class CudaStream extends CudaHandle {
    /** Opens one that waits for no other. */
    public CudaStream(CudaContext context) {
        super(context, open(context), "a stream");
    }

    private static long open(CudaContext context) {
        context.enter();
        return Driver.out("cuStreamCreate", pointer -> CudaDriver.cuStreamCreate(pointer, CudaDriver.CU_STREAM_NON_BLOCKING()));
    }

    /** Waits until everything in it is done. */
    public void synchronize() {
        Driver.check(CudaDriver.cuStreamSynchronize(handle()), "cuStreamSynchronize");
    }

    /** Copies to the device from pinned memory, which must stay as it is until the copy is done. */
    void upload(MemorySegment pinned, long to, long bytes) {
        Driver.check(CudaDriver.cuMemcpyHtoDAsync_v2(to, pinned, bytes, handle()), "cuMemcpyHtoDAsync of " + bytes + " bytes");
    }

    /** Copies from the device to pinned memory. */
    void download(long from, MemorySegment pinned, long bytes) {
        Driver.check(CudaDriver.cuMemcpyDtoHAsync_v2(pinned, from, bytes, handle()), "cuMemcpyDtoHAsync of " + bytes + " bytes");
    }

    /** Copies within the device. */
    void copy(long from, long to, long bytes) {
        Driver.check(CudaDriver.cuMemcpyDtoDAsync_v2(to, from, bytes, handle()), "cuMemcpyDtoDAsync of " + bytes + " bytes");
    }

    /** Sets bytes of the device's memory. */
    void fill(long at, byte value, long bytes) {
        Driver.check(CudaDriver.cuMemsetD8Async(at, value, bytes, handle()), "cuMemsetD8Async of " + bytes + " bytes");
    }

    @Override
    int destroy(MemorySegment handle) {
        return CudaDriver.cuStreamDestroy_v2(handle);
    }
}
