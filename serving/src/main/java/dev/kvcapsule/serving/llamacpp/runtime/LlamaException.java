package dev.kvcapsule.serving.llamacpp.runtime;

import java.io.IOException;

/** libllama cannot be had, or refused what it was asked; the message says what, and what the library logged about it. */
public final class LlamaException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param message one line that names the folder, file, function or model */
    public LlamaException(String message) {
        super(message);
    }

    /**
     * @param message one line that names the folder, file, function or model
     * @param cause what was thrown below
     */
    public LlamaException(String message, Throwable cause) {
        super(message, cause);
    }
}
