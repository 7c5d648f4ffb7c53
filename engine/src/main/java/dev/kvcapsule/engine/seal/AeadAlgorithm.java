package dev.kvcapsule.engine.seal;

/** How frames are encrypted: 256-bit key, 96-bit nonce, 128-bit tag. */
public enum AeadAlgorithm {
    /** AES-256-GCM, NIST SP 800-38D. */
    AES_256_GCM("aes-256-gcm"),
    /** ChaCha20-Poly1305, RFC 8439: for machines without AES instructions. */
    CHACHA20_POLY1305("chacha20-poly1305");

    private final String label;

    AeadAlgorithm(String label) {
        this.label = label;
    }

    /** The name in the manifest. */
    public String label() {
        return label;
    }

    /** @throws IllegalArgumentException if there is none of that name */
    public static AeadAlgorithm ofLabel(String label) {
        for (AeadAlgorithm algorithm : values()) {
            if (algorithm.label.equals(label)) {
                return algorithm;
            }
        }
        throw new IllegalArgumentException("encryption '" + label + "' is neither aes-256-gcm nor chacha20-poly1305");
    }
}
