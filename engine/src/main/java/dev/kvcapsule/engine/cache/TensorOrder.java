package dev.kvcapsule.engine.cache;

/** How the numbers of one tensor lie in memory. */
public enum TensorOrder {
    /** [cell][head][channel]: a token's row is contiguous. */
    TOKEN_MAJOR("token"),
    /** [head][channel][cell]: llama.cpp's V without flash attention ("v_trans"). Scalar types only. */
    CHANNEL_MAJOR("channel"),
    /** [head][cell][channel]: Hugging Face's [batch, kv_heads, seq, head_dim] with a batch of one. Heads are whole blocks. */
    HEAD_MAJOR("head");

    private final String label;

    TensorOrder(String label) {
        this.label = label;
    }

    /** The name used in manifests. */
    public String label() {
        return label;
    }

    /** @throws IllegalArgumentException if there is no order of that name */
    public static TensorOrder ofLabel(String label) {
        for (TensorOrder order : values()) {
            if (order.label.equals(label)) {
                return order;
            }
        }
        throw new IllegalArgumentException("unknown tensor order '" + label + "'");
    }
}
