package dev.kvcapsule.sessions.pending;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.TraceStore;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** A store whose program ends before or behind a change, as often as it is told to. */
public final class CrashingStore implements SessionStore {
    /** The program's end. */
    public static final class Crash extends Error {
        private static final long serialVersionUID = 1L;

        Crash() {
            super("killed", null, false, false);
        }
    }

    private final SessionStore store;
    private int steps = Integer.MAX_VALUE;

    /** @param store what outlives the program */
    public CrashingStore(SessionStore store) {
        this.store = store;
    }

    /** Ends the program after so many more steps, where a step is half a change: one before it, one behind it. */
    public void crashAfter(int more) {
        steps = more;
    }

    /** A new program: it lives. */
    public void restart() {
        steps = Integer.MAX_VALUE;
    }

    /** A step of the program's own. */
    public void step() {
        if (steps-- <= 0) {
            throw new Crash();
        }
    }

    @Override
    public Session edit(String id, OptionalLong version, Edit edit) throws IOException {
        step();
        Session after = store.edit(id, version, edit);
        step();
        return after;
    }

    @Override
    public Session create(Session fresh) throws IOException {
        return store.create(fresh);
    }

    @Override
    public Optional<Session> load(String id) throws IOException {
        return store.load(id);
    }

    @Override
    public boolean exists(String id) throws IOException {
        return store.exists(id);
    }

    @Override
    public List<Session> list(int most) throws IOException {
        return store.list(most);
    }

    @Override
    public List<Message> messages(String id) throws IOException {
        return store.messages(id);
    }

    @Override
    public Changes changesSince(String id, long version) throws IOException {
        return store.changesSince(id, version);
    }

    @Override
    public Session branch(String id, Brancher brancher) throws IOException {
        return store.branch(id, brancher);
    }

    @Override
    public boolean delete(String id) throws IOException {
        return store.delete(id);
    }

    @Override
    public List<String> deleteBefore(Instant time) throws IOException {
        return store.deleteBefore(time);
    }

    @Override
    public List<String> expired(Instant now) throws IOException {
        return store.expired(now);
    }

    @Override
    public TraceStore traces() {
        return store.traces();
    }
}
