package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RowFloats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** One tensor of a cache as floats, whatever its type, and back. */
final class TensorValues {
    private TensorValues() {}

    static float[] read(DType type, MemorySegment tensor) {
        long elements = tensor.byteSize() / type.blockBytes() * type.blockElements();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(4 * elements, 64);
            RowFloats.toF32(Kernels.best(), type, tensor, elements, floats);
            return floats.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    static void write(DType type, float[] values, MemorySegment tensor) {
        try (Arena arena = Arena.ofConfined()) {
            RowFloats.fromF32(Kernels.best(), type, arena.allocateFrom(ValueLayout.JAVA_FLOAT, values), values.length, tensor);
        }
    }
}
