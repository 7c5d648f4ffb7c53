package dev.kvcapsule.gateway;

import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;

/** Removes sessions whose time is over, with their history, while the gateway runs. */
final class SessionSweep implements AutoCloseable {
    private static final Duration PAUSE = Duration.ofMinutes(10);

    private final SessionDatabase database;
    private final RequestLog log;
    private final Thread thread;

    SessionSweep(SessionDatabase database, RequestLog log) {
        this.database = database;
        this.log = log;
        this.thread = Thread.ofVirtual().name("kvcapsule-sweep").start(this::run);
    }

    private void run() {
        try {
            while (true) {
                Thread.sleep(PAUSE);
                try {
                    sweep(database, Instant.now());
                } catch (IOException e) {
                    log.event("sweep", new JsonObject().put("failure", String.valueOf(e.getMessage())));
                }
            }
        } catch (InterruptedException e) {
            // The gateway ends.
        }
    }

    /** @return how many were removed */
    static int sweep(SessionDatabase database, Instant now) throws IOException {
        int removed = 0;
        for (SessionDatabase.Outdated one : database.expired(now)) {
            SessionStore store = database.sessions(one.owner());
            store.traces().delete(one.id());
            removed += store.delete(one.id()) ? 1 : 0;
        }
        return removed;
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
