package dev.kvcapsule.sessions.store;

import java.io.IOException;

/** There is a session of that id already. */
public final class SessionExistsException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param id the session */
    public SessionExistsException(String id) {
        super("there is a session " + id + " already: give another name");
    }
}
