package dev.kvcapsule.sessions.gateway;

import java.io.IOException;

/** The gateway did not do it, or could not be reached. */
public final class GatewayException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String code;

    /**
     * @param code what programs decide by: the gateway's, or {@code unreachable}, {@code interrupted}, {@code answer}
     * @param message the same in words
     */
    public GatewayException(String code, String message) {
        super(message);
        this.code = code;
    }

    /** What programs decide by. */
    public String code() {
        return code;
    }
}
