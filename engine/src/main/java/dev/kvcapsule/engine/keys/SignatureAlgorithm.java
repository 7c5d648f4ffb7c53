package dev.kvcapsule.engine.keys;

/** Signatures of capsules. */
public enum SignatureAlgorithm {
    /** RFC 8032; in COSE and JOSE as RFC 9864 names it. */
    ED25519("Ed25519", -19, "Ed25519", 64),
    /** FIPS 204; in COSE and JOSE as RFC 9964 names it. Only ever beside Ed25519. */
    ML_DSA_65("ML-DSA-65", -49, "ML-DSA", 3309);

    private final String label;
    private final int cose;
    private final String jca;
    private final int signatureBytes;

    SignatureAlgorithm(String label, int cose, String jca, int signatureBytes) {
        this.label = label;
        this.cose = cose;
        this.jca = jca;
        this.signatureBytes = signatureBytes;
    }

    /** The name in a JSON Web Key's {@code alg}. */
    public String label() {
        return label;
    }

    /** The number in a COSE header's {@code alg}. */
    public int cose() {
        return cose;
    }

    /** The name of the JDK's {@code Signature}. */
    String jca() {
        return jca;
    }

    /** Bytes of a signature. */
    public int signatureBytes() {
        return signatureBytes;
    }

    /** @throws IllegalArgumentException if there is none of that name */
    public static SignatureAlgorithm ofLabel(String label) {
        for (SignatureAlgorithm algorithm : values()) {
            if (algorithm.label.equals(label)) {
                return algorithm;
            }
        }
        throw new IllegalArgumentException("signature algorithm '" + label + "' is neither Ed25519 nor ML-DSA-65");
    }
}
