package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.driver.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Kernels in the device's memory. */
final class CudaModule extends CudaHandle {
    /** @param image a fatbin, of which the driver takes what fits the device */
    CudaModule(CudaContext context, byte[] image) {
        super(context, load(context, image), "a module");
    }

    private static long load(CudaContext context, byte[] image) {
        context.enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment copy = arena.allocate(image.length, 64);
            MemorySegment.copy(image, 0, copy, ValueLayout.JAVA_BYTE, 0, image.length);
            return Driver.out("cuModuleLoadData of the kernels", pointer -> CudaDriver.cuModuleLoadData(pointer, copy));
        }
    }

    /** A kernel by its name. @throws CudaException if there is none */
    MemorySegment function(String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(name);
            return MemorySegment.ofAddress(Driver.out("cuModuleGetFunction of " + name, pointer -> CudaDriver.cuModuleGetFunction(pointer, handle(), text)));
        }
    }

    @Override
    int destroy(MemorySegment handle) {
        return CudaDriver.cuModuleUnload(handle);
    }
}
