package dev.kvcapsule.sessions.store;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Session;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;

/** Sessions that end with the program: no database, nothing on disk. */
public final class MemorySessionStore implements SessionStore {
    /** A message and the version that it is of. */
    private record Stored(long version, Message message) {}

    /** A session and all that is kept with it; changed by replacing it. */
    private static final class Kept implements LockedSession {
        private Session session;
        private final List<Stored> messages;
        private final Map<String, LedgerEntry> ledger = new HashMap<>();

        Kept(Session session, List<Stored> messages) {
            this.session = session;
            this.messages = messages;
        }

        private int index(String id) {
            for (int i = messages.size() - 1; i >= 0; i--) {
                if (messages.get(i).message.id().equals(id)) {
                    return i;
                }
            }
            return -1;
        }

        @Override
        public Session session() {
            return session;
        }

        @Override
        public List<Message> messages() {
            return messages.stream().map(Stored::message).toList();
        }

        @Override
        public Optional<Message> message(String id) {
            int index = index(id);
            return index < 0 ? Optional.empty() : Optional.of(messages.get(index).message);
        }

        @Override
        public Optional<Message> last() {
            return messages.isEmpty() ? Optional.empty() : Optional.of(messages.getLast().message);
        }

        @Override
        public Optional<Message> after(String id) {
            int index = index(id);
            return index < 0 || index == messages.size() - 1 ? Optional.empty() : Optional.of(messages.get(index + 1).message);
        }

        @Override
        public List<String> idsAfter(String id) {
            int index = index(id);
            return index < 0 ? List.of() : messages.subList(index + 1, messages.size()).stream().map(stored -> stored.message.id()).toList();
        }

        @Override
        public Optional<LedgerEntry> ledger(LedgerEntry.Kind kind, String key) {
            return Optional.ofNullable(ledger.get(kind + " " + key));
        }

        void note(List<LedgerEntry> entries) {
            entries.forEach(entry -> ledger.put(entry.kind() + " " + entry.key(), entry));
        }
    }

    private final Map<String, Kept> sessions = new HashMap<>();
    private final MemoryTraceStore traces = new MemoryTraceStore();

    /** An empty one. */
    public MemorySessionStore() {
        // Nothing to open.
    }

    private Kept kept(String id) throws IOException {
        Kept found = sessions.get(id);
        if (found == null) {
            throw new NoSuchSessionException(id);
        }
        return found;
    }

    @Override
    public synchronized Session create(Session fresh) throws IOException {
        if (sessions.containsKey(fresh.id())) {
            throw new SessionExistsException(fresh.id());
        }
        Session stored = fresh.stored(1, 1, 0, fresh.updatedAt());
        sessions.put(fresh.id(), new Kept(stored, new ArrayList<>()));
        return stored;
    }

    @Override
    public synchronized Optional<Session> load(String id) {
        return Optional.ofNullable(sessions.get(id)).map(Kept::session);
    }

    @Override
    public synchronized boolean exists(String id) {
        return sessions.containsKey(id);
    }

    @Override
    public synchronized List<Session> list(int most) {
        return sessions.values().stream().map(Kept::session).sorted(Comparator.comparing(Session::updatedAt).reversed().thenComparing(Session::id)).limit(most).toList();
    }

    @Override
    public synchronized List<Message> messages(String id) {
        Kept found = sessions.get(id);
        return found == null ? List.of() : found.messages();
    }

    @Override
    public synchronized Changes changesSince(String id, long version) throws IOException {
        Kept found = kept(id);
        boolean whole = found.session.viewVersion() > version;
        return new Changes(found.session, whole, found.messages.stream().filter(stored -> whole || stored.version > version).map(Stored::message).toList());
    }

    @Override
    public synchronized Session edit(String id, OptionalLong version, Edit edit) throws IOException {
        Kept found = kept(id);
        if (version.isPresent() && version.getAsLong() != found.session.version()) {
            throw new VersionConflictException(id, version.getAsLong(), found.session.version());
        }
        SessionEdit change = edit.of(found);
        if (change.isNothing(found.session)) {
            return found.session;
        }
        long next = found.session.version() + 1;
        List<Stored> messages = new ArrayList<>(found.messages);
        change.removal().ifPresent(removal -> remove(messages, removal, next));
        for (Message message : change.resolved()) {
            int index = found.index(message.id());
            if (index < 0) {
                throw new IllegalArgumentException("there is no message " + message.id());
            }
            messages.set(index, new Stored(next, message));
        }
        change.appended().forEach(message -> messages.add(new Stored(next, message)));
        Set<String> ids = new HashSet<>();
        for (Stored stored : messages) {
            if (!ids.add(stored.message.id())) {
                throw new IllegalArgumentException("there is a message " + stored.message.id() + " already");
            }
        }
        found.messages.clear();
        found.messages.addAll(messages);
        found.session = change.session().stored(next, change.removal().isPresent() ? next : found.session.viewVersion(), messages.size(), Instant.now());
        found.note(change.ledger());
        change.history().forEach(traces::save);
        return found.session;
    }

    private static void remove(List<Stored> messages, SessionEdit.Removal removal, long version) {
        Set<String> gone = Set.copyOf(removal.ids());
        int first = 0;
        while (first < messages.size() && !gone.contains(messages.get(first).message.id())) {
            first++;
        }
        messages.removeIf(stored -> gone.contains(stored.message.id()));
        if (removal.summary().isPresent()) {
            messages.add(first, new Stored(version, removal.summary().get()));
        }
    }

    @Override
    public synchronized Session branch(String id, Brancher brancher) throws IOException {
        Kept parent = kept(id);
        Branch branch = brancher.of(parent);
        if (sessions.containsKey(branch.child().id())) {
            throw new SessionExistsException(branch.child().id());
        }
        int count = branch.last().map(last -> parent.index(last) + 1).orElse(0);
        List<Stored> messages = new ArrayList<>();
        parent.messages.subList(0, count).forEach(stored -> messages.add(new Stored(1, stored.message)));
        Session child = branch.child().stored(1, 1, count, branch.child().updatedAt());
        sessions.put(child.id(), new Kept(child, messages));
        parent.note(branch.ledger());
        traces.save(Trace.of(child.id(), Trace.FORK, Trace.fork(child)));
        return child;
    }

    @Override
    public synchronized boolean delete(String id) {
        return sessions.remove(id) != null;
    }

    @Override
    public synchronized List<String> deleteBefore(Instant time) {
        List<String> gone = sessions.values().stream().map(Kept::session).filter(session -> session.updatedAt().isBefore(time)).map(Session::id).sorted().toList();
        gone.forEach(sessions::remove);
        return gone;
    }

    @Override
    public synchronized List<String> expired(Instant now) {
        return sessions.values().stream().map(Kept::session).filter(session -> session.expiresAt().map(end -> !now.isBefore(end)).orElse(false)).map(Session::id).sorted().toList();
    }

    @Override
    public TraceStore traces() {
        return traces;
    }

    private static final class MemoryTraceStore implements TraceStore {
        private final TreeMap<String, Trace> all = new TreeMap<>();

        @Override
        public synchronized void save(Trace trace) {
            all.put(trace.id(), trace);
        }

        @Override
        public synchronized Optional<Trace> get(String id) {
            return Optional.ofNullable(all.get(id));
        }

        @Override
        public synchronized List<Trace> list(String sessionId) {
            return all.values().stream().filter(trace -> trace.sessionId().equals(sessionId)).toList();
        }

        @Override
        public synchronized int deleteBefore(Instant time) {
            int before = all.size();
            all.values().removeIf(trace -> trace.at().isBefore(time));
            return before - all.size();
        }

        @Override
        public synchronized int delete(String sessionId) {
            int before = all.size();
            all.values().removeIf(trace -> trace.sessionId().equals(sessionId));
            return before - all.size();
        }
    }
}
