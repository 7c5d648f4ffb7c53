package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.DeviceProvider;
import dev.kvcapsule.engine.kernel.Kernels;
import java.util.LinkedHashMap;
import java.util.Map;

/** Opens the first device once, and until the process ends. */
public final class CudaProvider implements DeviceProvider {
    private static CudaKernels opened;
    private static String whyNot;

    /** Found by {@link java.util.ServiceLoader}. */
    public CudaProvider() {}

    @Override
    public String name() {
        return CudaKernels.NAME;
    }

    private static synchronized CudaKernels open() {
        if (opened == null && whyNot == null) {
            try {
                opened = CudaKernels.open();
            } catch (IllegalStateException | CudaException e) {
                whyNot = e.getMessage();
            }
        }
        return opened;
    }

    @Override
    public String whyNot() {
        return open() == null ? whyNot : null;
    }

    @Override
    public Kernels kernels(Kernels host) {
        CudaKernels cuda = open();
        if (cuda == null) {
            throw new IllegalStateException(whyNot);
        }
        return cuda.kernels(host);
    }

    @Override
    public Map<String, String> facts() {
        CudaKernels cuda = open();
        Map<String, String> facts = new LinkedHashMap<>();
        if (cuda != null) {
            CudaContext context = cuda.context();
            long[] bytes = context.memoryBytes();
            facts.put("device", context.name());
            facts.put("capability", context.capability());
            facts.put("processors", String.valueOf(context.multiprocessors()));
            facts.put("driver", "CUDA " + context.driverVersion());
            facts.put("memory_free", String.valueOf(bytes[0]));
            facts.put("memory", String.valueOf(bytes[1]));
            facts.put("library", CudaLibrary.get().path());
        }
        return facts;
    }
}
