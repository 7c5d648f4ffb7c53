package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.cache.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Rows of any element type to binary32 and back. */
public final class RowFloats {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private RowFloats() {}

    /**
     * @param type element type of {@code rows}
     * @param rows native segment that begins with {@code elements} elements
     * @param elements a whole number of blocks
     * @param floats native segment that receives as many floats
     */
    public static void toF32(Kernels kernels, DType type, MemorySegment rows, long elements, MemorySegment floats) {
        switch (type) {
            case F32, F16, BF16 -> kernels.convert().toF32(ElementType.of(type), rows, 0, floats, 0, elements);
            case F8_E4M3 -> {
                for (long i = 0; i < elements; i++) {
                    floats.set(FLOAT, i * Float.BYTES, Fp8.toFloat(rows.get(ValueLayout.JAVA_BYTE, i)));
                }
            }
            default -> GgmlBlocks.dequantize(type, rows, 0, elements, floats, 0);
        }
    }

    /** The inverse of {@link #toF32}, rounding to the nearest value of the type. */
    public static void fromF32(Kernels kernels, DType type, MemorySegment floats, long elements, MemorySegment rows) {
        switch (type) {
            case F32, F16, BF16 -> kernels.convert().fromF32(ElementType.of(type), floats, 0, rows, 0, elements);
            case F8_E4M3 -> {
                for (long i = 0; i < elements; i++) {
                    rows.set(ValueLayout.JAVA_BYTE, i, Fp8.ofFloat(floats.get(FLOAT, i * Float.BYTES)));
                }
            }
            default -> GgmlBlocks.quantize(type, floats, 0, elements, rows, 0);
        }
    }
}
