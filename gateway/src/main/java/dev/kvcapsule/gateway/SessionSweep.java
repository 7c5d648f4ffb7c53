package dev.kvcapsule.gateway;

import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** Removes sessions whose time is over, with all that is kept of them, while the gateway runs; and ends removals that another program, or this one before, has begun. */
final class SessionSweep implements AutoCloseable {
    private static final Duration PAUSE = Duration.ofMinutes(10);

    private final SessionDatabase database;
    private final SessionPurge purge;
    private final Optional<Duration> age;
    private final RequestLog log;
    private final Thread thread;

    /** @param age of sessions that nobody has changed for so long: they are removed; empty keeps them */
    SessionSweep(SessionDatabase database, SessionPurge purge, Optional<Duration> age, RequestLog log) {
        this.database = database;
        this.purge = purge;
        this.age = age;
        this.log = log;
        this.thread = Thread.ofVirtual().name("kvcapsule-sweep").start(this::run);
    }

    private void run() {
        try {
            while (true) {
                try {
                    sweep(database, purge, age, Instant.now());
                } catch (IOException e) {
                    log.event("sweep", new JsonObject().put("failure", String.valueOf(e.getMessage())));
                }
                Thread.sleep(PAUSE);
            }
        } catch (InterruptedException e) {
            // The gateway ends.
        }
    }

    /** @return how many were removed */
    static int sweep(SessionDatabase database, SessionPurge purge, Optional<Duration> age, Instant now) throws IOException {
        purge.endAll();
        int removed = 0;
        for (SessionDatabase.Outdated one : database.outdated(now, age.map(now::minus))) {
            removed += purge.of(one.owner(), one.id()).session() ? 1 : 0;
        }
        database.purges().forgetExpired(now);
        return removed;
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
