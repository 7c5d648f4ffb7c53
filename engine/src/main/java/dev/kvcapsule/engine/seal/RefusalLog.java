package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.RefusalCode;

/** Hears why capsules are refused, in more detail than callers may know: for the operator. */
@FunctionalInterface
public interface RefusalLog {
    /** Hears nothing. */
    RefusalLog NONE = (code, detail) -> {};

    /**
     * @param code the true reason
     * @param detail what was found; never a secret, nor anything that the cache holds
     */
    void refused(RefusalCode code, String detail);
}
