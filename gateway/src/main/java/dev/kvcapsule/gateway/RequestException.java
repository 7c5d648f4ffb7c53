package dev.kvcapsule.gateway;

/** A request that is not carried out: status, a stable code, and a line that its caller may read. */
final class RequestException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int status;
    private final String code;

    /**
     * @param status of HTTP
     * @param code what programs decide by
     * @param message what is wrong and what to do; never a secret, nor whose anything is
     */
    RequestException(int status, String code, String message) {
        // Thrown where a request ends, and often by hostile ones: without the cost of a stack trace.
        super(message, null, false, false);
        this.status = status;
        this.code = code;
    }

    int status() {
        return status;
    }

    String code() {
        return code;
    }
}
