package dev.kvcapsule.sessions.store;

import java.io.IOException;

/** There is no such session, or it is somebody else's: nobody is told which. */
public final class NoSuchSessionException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param id the session */
    public NoSuchSessionException(String id) {
        super("there is no session " + id + ": 'capsule sessions list' shows all");
    }
}
