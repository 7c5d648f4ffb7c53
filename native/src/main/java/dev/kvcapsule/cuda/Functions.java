package dev.kvcapsule.cuda;

import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;

/** The kernels of a loaded module. */
final class Functions {
    private final Map<Kernel, MemorySegment> handles = new EnumMap<>(Kernel.class);

    /** @throws CudaException if the module lacks one */
    Functions(CudaModule module) {
        for (Kernel kernel : Kernel.values()) {
            handles.put(kernel, module.function(kernel.symbol()));
        }
    }

    MemorySegment get(Kernel kernel) {
        return handles.get(kernel);
    }
}
