package dev.kvcapsule.sessions.store;

class MemorySessionStoreTest extends SessionStoreContract {
    private final MemorySessionStore store = new MemorySessionStore();

    @Override
    SessionStore store() {
        return store;
    }
}
