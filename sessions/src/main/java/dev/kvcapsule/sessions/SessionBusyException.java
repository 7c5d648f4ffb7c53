package dev.kvcapsule.sessions;

import java.io.IOException;

/** Somebody else is writing the session: it has one writer at a time. */
public final class SessionBusyException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param id the session */
    public SessionBusyException(String id) {
        super("session " + id + " is busy: another checkpoint or resume of it is under way");
    }
}
