package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.cache.DType;
import java.util.Optional;

/** The numbers that ggml gives to the element types of a KV cache (enum ggml_type in ggml.h). */
public final class GgmlType {
    private GgmlType() {}

    /** The type of that number, if a KV cache can have it. */
    public static Optional<DType> of(int id) {
        return switch (id) {
            case 0 -> Optional.of(DType.F32);
            case 1 -> Optional.of(DType.F16);
            case 2 -> Optional.of(DType.Q4_0);
            case 3 -> Optional.of(DType.Q4_1);
            case 6 -> Optional.of(DType.Q5_0);
            case 7 -> Optional.of(DType.Q5_1);
            case 8 -> Optional.of(DType.Q8_0);
            case 20 -> Optional.of(DType.IQ4_NL);
            case 30 -> Optional.of(DType.BF16);
            default -> Optional.empty();
        };
    }

    /** @throws UnsupportedOperationException if ggml has no such type */
    public static int id(DType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case Q4_0 -> 2;
            case Q4_1 -> 3;
            case Q5_0 -> 6;
            case Q5_1 -> 7;
            case Q8_0 -> 8;
            case IQ4_NL -> 20;
            case BF16 -> 30;
            case F8_E4M3 -> throw new UnsupportedOperationException("llama.cpp has no cache type " + type.label());
        };
    }

    /** Reads a type number. */
    static DType read(Input in, String field) throws Broken {
        long at = in.offset();
        int id = in.i32(field);
        return of(id).orElseThrow(() -> new Broken(at, field, "ggml type " + id
                + " is not a KV cache type (0 f32, 1 f16, 2 q4_0, 3 q4_1, 6 q5_0, 7 q5_1, 8 q8_0, 20 iq4_nl, 30 bf16)"));
    }
}
