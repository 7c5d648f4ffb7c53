package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.driver.CudaDriver;
import java.lang.foreign.MemorySegment;

/** A point in a stream that others can wait for. */
public final class CudaEvent extends CudaHandle {
    /** Opens one that nothing has been recorded in yet: nobody waits for it. */
    public CudaEvent(CudaContext context) {
        super(context, open(context), "an event");
    }

    private static long open(CudaContext context) {
        context.enter();
        return Driver.out("cuEventCreate", pointer -> CudaDriver.cuEventCreate(pointer, CudaDriver.CU_EVENT_DISABLE_TIMING()));
    }

    /** From now on it is reached when the stream has done everything that is in it now. */
    public void record(CudaStream stream) {
        Driver.check(CudaDriver.cuEventRecord(handle(), stream.handle()), "cuEventRecord");
    }

    /** Waits until it is reached. */
    public void synchronize() {
        Driver.check(CudaDriver.cuEventSynchronize(handle()), "cuEventSynchronize");
    }

    @Override
    int destroy(MemorySegment handle) {
        return CudaDriver.cuEventDestroy_v2(handle);
    }
}
