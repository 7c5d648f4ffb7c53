package dev.kvcapsule.gateway;

/** A slot that somebody may use until this is closed. */
final class SlotLease implements AutoCloseable {
    private final int slot;
    private final boolean anothers;
    private final Runnable release;
    private boolean closed;

    SlotLease(int slot, boolean anothers, Runnable release) {
        this.slot = slot;
        this.anothers = anothers;
        this.release = release;
    }

    /** Number of the slot. */
    int slot() {
        return slot;
    }

    /** Whether it may hold what is not the new user's: it is to be erased before anything else is done with it. */
    boolean holdsAnothers() {
        return anothers;
    }

    /** Gives it back; a second time does nothing. */
    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        release.run();
    }
}
