package dev.kvcapsule.cuda;

import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** The kernels of a loaded module. */
final class Functions {
    private final Map<Kernel, MemorySegment> handles = new EnumMap<>(Kernel.class);
    private final AtomicIntegerArray launched = new AtomicIntegerArray(Kernel.values().length);

    /** @throws CudaException if the module lacks one */
    Functions(CudaModule module) {
        for (Kernel kernel : Kernel.values()) {
            handles.put(kernel, module.function(kernel.symbol()));
        }
    }

    /** A kernel that is going to be launched. */
    MemorySegment launched(Kernel kernel) {
        launched.setPlain(kernel.ordinal(), 1);
        return handles.get(kernel);
    }

    /** What has been launched since this was asked last, by threads that have been waited for. */
    Set<Kernel> takeLaunched() {
        Set<Kernel> taken = EnumSet.noneOf(Kernel.class);
        for (Kernel kernel : Kernel.values()) {
            if (launched.getAndSet(kernel.ordinal(), 0) != 0) {
                taken.add(kernel);
            }
        }
        return taken;
    }
}
