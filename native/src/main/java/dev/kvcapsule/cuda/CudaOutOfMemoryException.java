package dev.kvcapsule.cuda;

/**
 * The device, or the host's memory that can be pinned, has not enough left. Without memory of the device, work is done in smaller pieces, then on the processor. Not so without pinned memory, of which
 * a thread takes its share once, when it first uses the device: nothing can be copied then, and the exception ends what the thread was doing, unless trying once more finds some.
 */
public final class CudaOutOfMemoryException extends CudaException {
    private static final long serialVersionUID = 1;

    CudaOutOfMemoryException(String call, int code, String name, String text) {
        super(call, code, name, text);
    }
}
