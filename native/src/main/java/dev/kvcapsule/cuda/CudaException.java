package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceException;

/** A call of the CUDA driver that failed. */
public class CudaException extends DeviceException {
    private static final long serialVersionUID = 1;

    private final String name;
    private final int code;

    /**
     * @param call the driver's function, with what it was asked for
     * @param code CUresult
     * @param name of the code, such as CUDA_ERROR_INVALID_VALUE
     * @param text the driver's explanation
     */
    CudaException(String call, int code, String name, String text) {
        super(call + ": " + name + " (" + code + "): " + text);
        this.code = code;
        this.name = name;
    }

    /** Name of the error, such as CUDA_ERROR_INVALID_VALUE. */
    public String name() {
        return name;
    }

    /** CUresult. */
    public int code() {
        return code;
    }
}
