package dev.kvcapsule.engine.keys;

/** What a key may be used for. */
public enum KeyStatus {
    /** Signs and verifies, or wraps and unwraps. */
    ACTIVE,
    /** Verifies, or unwraps, what was made before: the state of a key on its way in or out. */
    VERIFY_ONLY,
    /** For nothing any more; what it made is refused. */
    REVOKED
}
