package dev.kvcapsule.store;

import java.io.IOException;

/** Somebody else writes the store, and did not end in time. */
public final class StoreBusyException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param folder which store */
    StoreBusyException(Object folder) {
        super("the store " + folder + " is being written by another program: try again when it has ended");
    }
}
