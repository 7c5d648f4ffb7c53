package dev.kvcapsule.engine;

/** Why a capsule is refused: what scripts and servers decide by. Names are stable. */
public enum RefusalCode {
    /** Cannot be used here, for a reason that the message gives. */
    REFUSED("refused"),
    /** It is not there, or not the caller's: outsiders cannot tell which. */
    NOT_FOUND("not-found"),
    /** For operators: it belongs to another organisation. Callers see {@link #NOT_FOUND}. */
    WRONG_ORG("wrong-org"),
    /** For operators: it belongs to another user. Callers see {@link #NOT_FOUND}. */
    WRONG_USER("wrong-user"),
    /** For operators: it belongs to another session. Callers see {@link #NOT_FOUND}. */
    WRONG_SESSION("wrong-session"),
    /** The caller lacks the permission that the capsule asks for. */
    PERMISSION("permission"),
    /** It has no seal, and one is asked for. */
    UNSEALED("unsealed"),
    /** It has a seal, and is read as one without. */
    SEALED("sealed"),
    /** The manifest is larger than any honest one. */
    TOO_LARGE("too-large"),
    /** Signed by a key that the registry does not have. */
    UNKNOWN_KEY("unknown-key"),
    /** Signed by a key that is not valid now. */
    KEY_NOT_VALID("key-not-valid"),
    /** Its key, its tenant's epoch or the capsule itself has been revoked. */
    REVOKED("revoked"),
    /** It names another algorithm than the registry has for its key. */
    ALGORITHM("algorithm"),
    /** A signature does not hold, or one of two is missing. */
    SIGNATURE("signature"),
    /** Its time has not come. */
    NOT_YET_VALID("not-yet-valid"),
    /** Its time is over. */
    EXPIRED("expired"),
    /** The session has been restored from, or saved as, a later generation. */
    REPLAYED("replayed"),
    /** Made with another model. */
    WRONG_MODEL("wrong-model"),
    /** Made with other weights. */
    WRONG_WEIGHTS("wrong-weights"),
    /** Made with another tokenizer. */
    WRONG_TOKENIZER("wrong-tokenizer"),
    /** Made for another runtime or version. */
    WRONG_RUNTIME("wrong-runtime"),
    /** The cache has other layers, heads, channels, types or RoPE. */
    WRONG_STRUCTURE("wrong-structure"),
    /** It holds other tokens than those expected. */
    WRONG_PREFIX("wrong-prefix"),
    /** Its first tokens are wanted alone, and they are no cache: it holds a recurrent state, several sequences, or a window that has moved on. */
    CANNOT_CUT("cannot-cut"),
    /** It holds other positions than those expected. */
    WRONG_POSITIONS("wrong-positions"),
    /** Its codec, or a parameter, is not known here. */
    CODEC("codec"),
    /** The shared basis that it needs is missing or another. */
    BASIS("basis"),
    /** The tenant's key has been destroyed, or is not held here. */
    NO_TENANT_KEY("no-tenant-key"),
    /** The wrapped data key does not open, or is not the one that was committed to. */
    DATA_KEY("data-key"),
    /** Bytes have been changed, moved, added or mixed with another capsule's. */
    DAMAGED("damaged"),
    /** It ends too early. */
    TRUNCATED("truncated"),
    /** It is the end of an incremental capsule, and a chunk that it goes on from is not here. */
    INCOMPLETE("incomplete");

    private final String label;

    RefusalCode(String label) {
        this.label = label;
    }

    /** The name that is printed. */
    public String label() {
        return label;
    }

    /** What the caller may learn of it: whose capsule it is stays between it and the operator. */
    public RefusalCode toOutsiders() {
        return switch (this) {
            case WRONG_ORG, WRONG_USER, WRONG_SESSION -> NOT_FOUND;
            default -> this;
        };
    }
}
