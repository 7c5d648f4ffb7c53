package dev.kvcapsule.sessions.store;

import java.io.IOException;

/** A session cannot be cut there. */
public final class BranchException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param message where it can */
    public BranchException(String message) {
        super(message);
    }
}
