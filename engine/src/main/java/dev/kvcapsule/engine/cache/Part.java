package dev.kvcapsule.engine.cache;

/** The two tensors of an attention layer. */
public enum Part {
    /** K: what queries are compared with; stored after RoPE. */
    KEY("K"),
    /** V: what attention sums up. */
    VALUE("V");

    private final String letter;

    Part(String letter) {
        this.letter = letter;
    }

    /** "K" or "V". */
    public String letter() {
        return letter;
    }
}
