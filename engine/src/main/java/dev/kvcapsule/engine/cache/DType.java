package dev.kvcapsule.engine.cache;

/**
 * Element types of a KV cache, scalar and block-quantized. A block type stores {@link #blockElements} consecutive channels of one row in
 * {@link #blockBytes} bytes (the ggml block formats, see ggml-common.h of llama.cpp).
 */
public enum DType {
    /** IEEE binary32. */
    F32("f32", 1, 4),
    /** IEEE binary16. */
    F16("f16", 1, 2),
    /** The upper half of a binary32. */
    BF16("bf16", 1, 2),
    /** OCP 8-bit floating point E4M3 ("FN": no infinities, 0x7F and 0xFF are NaN). */
    F8_E4M3("f8_e4m3", 1, 1),
    /** f16 scale, 32 x int8. */
    Q8_0("q8_0", 32, 34),
    /** f16 scale, 32 x 4 bits, offset 8. */
    Q4_0("q4_0", 32, 18),
    /** f16 scale and minimum, 32 x 4 bits. */
    Q4_1("q4_1", 32, 20),
    /** f16 scale, 32 x 5 bits, offset 16. */
    Q5_0("q5_0", 32, 22),
    /** f16 scale and minimum, 32 x 5 bits. */
    Q5_1("q5_1", 32, 24),
    /** f16 scale, 32 x 4-bit indices into a fixed non-linear table. */
    IQ4_NL("iq4_nl", 32, 18);

    private final String label;
    private final int blockElements;
    private final int blockBytes;

    DType(String label, int blockElements, int blockBytes) {
        this.label = label;
        this.blockElements = blockElements;
        this.blockBytes = blockBytes;
    }

    /** The name used in manifests, file formats and messages. */
    public String label() {
        return label;
    }

    /** Channels a block holds; 1 for scalar types. */
    public int blockElements() {
        return blockElements;
    }

    /** Bytes of a block. */
    public int blockBytes() {
        return blockBytes;
    }

    /** Whether one element can be addressed on its own. */
    public boolean isScalar() {
        return blockElements == 1;
    }

    /** Whether this is one of the two 16-bit floating-point types. */
    public boolean is16Bit() {
        return this == F16 || this == BF16;
    }

    /**
     * @param width channels in a row, at least 0
     * @return bytes of one row
     * @throws IllegalArgumentException if a row of that width does not end with a whole block
     */
    public long rowBytes(int width) {
        if (width < 0 || width % blockElements != 0) {
            throw new IllegalArgumentException("a row of " + width + " channels is not a whole number of " + label + " blocks of " + blockElements);
        }
        return (long) (width / blockElements) * blockBytes;
    }

    /**
     * @return the type with that {@link #label()}
     * @throws IllegalArgumentException if there is none
     */
    public static DType ofLabel(String label) {
        for (DType type : values()) {
            if (type.label.equals(label)) {
                return type;
            }
        }
        throw new IllegalArgumentException("unknown element type '" + label + "'");
    }
}
