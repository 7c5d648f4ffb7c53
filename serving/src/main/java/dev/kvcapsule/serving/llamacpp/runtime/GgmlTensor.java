package dev.kvcapsule.serving.llamacpp.runtime;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The fields of {@code struct ggml_tensor} (ggml.h of ggml 0.25, 64-bit) that query capture reads, offsets in bytes: type 0 (i32), ne 16 (four
 * i64, elements along each dimension, the fastest first), nb 48 (four u64, strides in bytes), op_params 84 (16 x i32), src 152
 * (ten pointers), name 256. {@link #verify} holds them against the library's own accessors before any is believed.
 */
final class GgmlTensor {
    private static final long BYTES = 336;
    private static final long NE = 16;
    private static final long NB = 48;
    private static final long OP_PARAMS = 84;
    private static final long SRC = 152;
    private static final long NAME = 256;

    private GgmlTensor() {}

    /** The struct at an address. */
    @SuppressWarnings("restricted")
    static MemorySegment at(MemorySegment pointer) {
        return pointer.reinterpret(BYTES);
    }

    static int type(MemorySegment tensor) {
        return tensor.get(ValueLayout.JAVA_INT, 0);
    }

    /** Elements along a dimension. */
    static long ne(MemorySegment tensor, int dimension) {
        return tensor.get(ValueLayout.JAVA_LONG, NE + 8L * dimension);
    }

    /** Stride along a dimension in bytes. */
    static long nb(MemorySegment tensor, int dimension) {
        return tensor.get(ValueLayout.JAVA_LONG, NB + 8L * dimension);
    }

    static float floatParameter(MemorySegment tensor, int index) {
        return tensor.get(ValueLayout.JAVA_FLOAT, OP_PARAMS + 4L * index);
    }

    /** An input of the operation; {@link MemorySegment#NULL} if there is none. */
    static MemorySegment source(MemorySegment tensor, int index) {
        MemorySegment pointer = tensor.get(ValueLayout.ADDRESS, SRC + 8L * index);
        return pointer.address() == 0 ? MemorySegment.NULL : at(pointer);
    }

    static String name(MemorySegment tensor) {
        return tensor.getString(NAME);
    }

    /**
     * @param library whose accessors are the authority
     * @throws IllegalStateException if a tensor of this library does not have this layout
     */
    static void verify(LibLlama library, MemorySegment tensor) {
        long elements = ne(tensor, 0) * ne(tensor, 1) * ne(tensor, 2) * ne(tensor, 3);
        boolean dense = type(tensor) == 0 && nb(tensor, 0) == Float.BYTES;
        if (library.tensorName(tensor).address() != tensor.address() + NAME || library.tensorElements(tensor) != elements
                || dense && library.tensorBytes(tensor) != elements * Float.BYTES) {
            throw new IllegalStateException("struct ggml_tensor of " + library.file() + " has another layout than that of ggml 0.25");
        }
    }
}
