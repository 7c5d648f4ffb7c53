package dev.kvcapsule.cuda;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;

/** Something of the driver's that has to be given back: a stream, an event, a module. Closed once; closing again does nothing. */
abstract class CudaHandle implements AutoCloseable {
    private final CudaContext context;
    private final MemorySegment handle;
    private final String what;
    private final Leaks.Mark mark;
    private final AtomicBoolean closed = new AtomicBoolean();

    CudaHandle(CudaContext context, long handle, String what) {
        this.context = context;
        this.handle = MemorySegment.ofAddress(handle);
        this.what = what;
        this.mark = Leaks.watch(this, what);
        context.opened();
    }

    final CudaContext context() {
        return context;
    }

    /** @throws IllegalStateException if it has been closed */
    final MemorySegment handle() {
        if (closed.get()) {
            throw new IllegalStateException(what + " is closed");
        }
        return handle;
    }

    /** The driver's function that gives it back. @return CUresult */
    abstract int destroy(MemorySegment handle);

    /** Gives it back. @throws CudaException if the driver fails; it is given up then */
    @Override
    public final void close() {
        if (closed.compareAndSet(false, true)) {
            mark.close();
            context.release(() -> destroy(handle), "closing " + what);
        }
    }
}
