package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.driver.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.ToIntFunction;

/** Turns results of driver calls into exceptions. */
final class Driver {
    private static final long TEXT_BYTES = 1 << 12;

    private Driver() {}

    /** @throws CudaException unless the call succeeded; {@link CudaOutOfMemoryException} if there is no memory left */
    static void check(int result, String call) {
        if (result != CudaDriver.CUDA_SUCCESS()) {
            throw failure(result, call);
        }
    }

    static CudaException failure(int result, String call) {
        String name = text(result, true);
        String text = text(result, false);
        return result == CudaDriver.CUDA_ERROR_OUT_OF_MEMORY() ? new CudaOutOfMemoryException(call, result, name, text) : new CudaException(call, result, name, text);
    }

    @SuppressWarnings("restricted") // the driver's own text
    private static String text(int result, boolean name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(ValueLayout.ADDRESS);
            int known = name ? CudaDriver.cuGetErrorName(result, pointer) : CudaDriver.cuGetErrorString(result, pointer);
            MemorySegment text = pointer.get(ValueLayout.ADDRESS, 0);
            return known != CudaDriver.CUDA_SUCCESS() || text.address() == 0 ? "unknown error" : text.reinterpret(TEXT_BYTES).getString(0);
        }
    }

    /** What a call gives back through its first parameter, 64 bits wide. */
    static long out(String call, ToIntFunction<MemorySegment> function) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(ValueLayout.JAVA_LONG);
            check(function.applyAsInt(pointer), call);
            return pointer.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** What a call gives back through its first parameter, 32 bits wide. */
    static int outInt(String call, ToIntFunction<MemorySegment> function) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(ValueLayout.JAVA_INT);
            check(function.applyAsInt(pointer), call);
            return pointer.get(ValueLayout.JAVA_INT, 0);
        }
    }
}
