package dev.kvcapsule.cuda;

/** The device, or the host's memory that can be pinned, has not enough left. Work is then done in smaller pieces, or on the processor. */
public final class CudaOutOfMemoryException extends CudaException {
    private static final long serialVersionUID = 1;

    CudaOutOfMemoryException(String call, int code, String name, String text) {
        super(call, code, name, text);
    }
}
