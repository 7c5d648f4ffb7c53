package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.Kernels;
import java.util.List;

/** A device that kernels run on. Used by any number of threads; closed when none uses it any more. */
public final class CudaKernels implements AutoCloseable {
    /** How users name it. */
    public static final String NAME = "cuda";

    private final CudaContext context;
    private final Device device;

    private CudaKernels(CudaContext context) {
        this.context = context;
        try {
            this.device = new Device(context);
        } catch (RuntimeException e) {
            context.close();
            throw e;
        }
    }

    /**
     * Opens the first device.
     *
     * @throws IllegalStateException if there is no driver or no device, with the reason
     * @throws CudaException if the driver fails
     */
    public static CudaKernels open() {
        return new CudaKernels(CudaContext.open(0));
    }

    /** The device's context. */
    public CudaContext context() {
        return context;
    }

    Device device() {
        return device;
    }

    /**
     * Its kernels.
     *
     * @param host kernels for what stays in the host's memory, and for when the device has no memory left
     */
    public Kernels kernels(Kernels host) {
        CudaDeviceKernel fused = new CudaDeviceKernel(device, host);
        CudaMatrices matrices = new CudaMatrices(device, fused.memory(), host.transform(), host.gemm());
        return new Kernels(NAME, new CudaConvert(device, fused.memory(), host.convert()), new CudaQuant(fused), new CudaHadamard(fused), new CudaRope(device, fused.memory(), host.rope()),
                new CudaBytePlane(device, fused.memory(), host.bytePlane()), new CudaRans(device, fused.memory(), host.rans()), matrices, matrices,
                new CudaCoefficients(device, fused.memory(), host.coefficients()), new CudaVectors(device, fused.memory(), host.vectors()), fused);
    }

    @Override
    public void close() {
        Closing.all(List.of(device::close, context::close));
    }
}
