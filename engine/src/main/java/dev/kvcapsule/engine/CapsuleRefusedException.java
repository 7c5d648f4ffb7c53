package dev.kvcapsule.engine;

import java.io.IOException;

/** A capsule that is sound but must not or cannot be used here: an ordinary prefill does what it would have done. */
public class CapsuleRefusedException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param message what is missing or forbidden, and what to do */
    public CapsuleRefusedException(String message) {
        super(message);
    }
}
