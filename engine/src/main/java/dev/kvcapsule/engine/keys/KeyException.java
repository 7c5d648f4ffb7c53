package dev.kvcapsule.engine.keys;

import java.io.IOException;

/** A key that cannot be used for what was asked: missing, not active, or kept in a way that is not safe. The message never holds a secret. */
public final class KeyException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param message which key, why not, what to do */
    public KeyException(String message) {
        super(message);
    }
}
