package dev.kvcapsule.store;

import java.io.IOException;

/** What was to be kept does not fit into what the store may take. */
public final class StoreFullException extends IOException {
    private static final long serialVersionUID = 1L;

    /** @param most bytes that it may take */
    StoreFullException(long most) {
        super("the store may take " + most + " bytes, and is full: purge sessions and run 'capsule store gc', or give it more with --max-store");
    }
}
