package dev.kvcapsule.sessions.store;

import java.io.IOException;

/** Somebody else was first: the session is not the one that was read. */
public final class VersionConflictException extends IOException {
    private static final long serialVersionUID = 1L;

    private final long actual;

    /**
     * @param id the session
     * @param expected the version that was read
     * @param actual the one it has
     */
    public VersionConflictException(String id, long expected, long actual) {
        super("session " + id + " has version " + actual + ", not " + expected + ": somebody else has changed it; read it again");
        this.actual = actual;
    }

    /** The version it has. */
    public long actual() {
        return actual;
    }
}
