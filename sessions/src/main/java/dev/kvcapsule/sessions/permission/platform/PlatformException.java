package dev.kvcapsule.sessions.permission.platform;

import java.io.IOException;

/** A platform did not give what was asked of it. The message is free of secrets, and of what the platform wrote. */
public final class PlatformException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String code;

    /** @param code {@code unreachable}, {@code timeout}, {@code too-large}, {@code status-N}, {@code malformed}, {@code token}, {@code interrupted} or {@code refused} */
    public PlatformException(String code, String message) {
        super(message);
        this.code = code;
    }

    /** Why, in a word. */
    public String code() {
        return code;
    }
}
