package dev.kvcapsule.serving.files;

import java.io.IOException;

/** Writing the output failed, for a reason that has nothing to do with the input: a full disk, a reader that has gone. */
public final class OutputException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param cause what writing failed with */
    public OutputException(IOException cause) {
        super(cause.getMessage(), cause);
    }
}
