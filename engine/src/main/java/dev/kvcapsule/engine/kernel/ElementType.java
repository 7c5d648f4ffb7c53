package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.cache.DType;

/** The floating-point formats a row can have in memory; all little-endian. */
public enum ElementType {
    /** IEEE binary16. */
    F16(2),
    /** The upper half of a binary32. */
    BF16(2),
    /** IEEE binary32. */
    F32(4);

    private final int bytes;

    ElementType(int bytes) {
        this.bytes = bytes;
    }

    /** {@return bytes of one element} */
    public int bytes() {
        return bytes;
    }

    /** {@return the 16-bit format in which a codec stores its parameters for a tensor of this type} */
    public ElementType parameterType() {
        return this == F16 ? F16 : BF16;
    }

    /** {@return whether kernels read a cache's type directly: {@link #of} knows it} */
    public static boolean has(DType type) {
        return type == DType.F16 || type == DType.BF16 || type == DType.F32;
    }

    /**
     * {@return the format of a cache's floating-point type}
     *
     * @throws IllegalArgumentException if it is an 8-bit or block type
     */
    public static ElementType of(DType type) {
        return switch (type) {
            case F16 -> F16;
            case BF16 -> BF16;
            case F32 -> F32;
            default -> throw new IllegalArgumentException(type.label() + " is not read by kernels directly");
        };
    }
}
