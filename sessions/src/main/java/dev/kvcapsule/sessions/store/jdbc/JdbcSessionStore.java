package dev.kvcapsule.sessions.store.jdbc;

import dev.kvcapsule.sessions.row.CheckpointState;
import dev.kvcapsule.sessions.row.CompactionState;
import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.OpenToolCall;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SessionRows;
import dev.kvcapsule.sessions.row.SubagentCall;
import dev.kvcapsule.sessions.store.Branch;
import dev.kvcapsule.sessions.store.LedgerEntry;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionEdit;
import dev.kvcapsule.sessions.store.SessionExistsException;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.Trace;
import dev.kvcapsule.sessions.store.TraceStore;
import dev.kvcapsule.sessions.store.VersionConflictException;
import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** One owner's sessions in a database. Every statement names the owner, or a key that was found with it. */
final class JdbcSessionStore implements SessionStore {
    private static final String DUPLICATE = "23505";
    private static final String MINE = " FROM session WHERE owner_org = ? AND owner_user = ?";

    private final SessionDatabase database;
    private final SessionOwner owner;
    private final TraceStore traces;

    JdbcSessionStore(SessionDatabase database, SessionOwner owner) {
        this.database = database;
        this.owner = owner;
        this.traces = new JdbcTraceStore(database, owner);
    }

    @Override
    public Session create(Session fresh) throws IOException {
        return database.write(tx -> {
            Session stored = fresh.stored(1, 1, 0, fresh.updatedAt());
            insert(tx, stored, 0);
            return stored;
        });
    }

    /** @return its key */
    private long insert(Transaction tx, Session session, long nextSeq) throws SQLException, IOException {
        try {
            return tx.insert("INSERT INTO session (owner_org, owner_user, session_id, version, view_version, message_count, next_seq, created_at, updated_at, cost_data, parent_session_id,"
                    + " forked_at_message_id, pending_question, open_tool_calls, pending_subagent_calls, permission_scope_active, compaction_state, checkpoint_state, expires_at)"
                    + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "session_key",
                    owner.org(), owner.user(), session.id(), session.version(), session.viewVersion(), session.messageCount(), nextSeq, session.createdAt(), session.updatedAt(),
                    Json.line(session.cost().toMap()), session.parentId(), session.forkedAtMessageId(), session.question().map(asked -> Json.line(asked.toMap())),
                    SessionRows.json(session.openToolCalls().stream().map(OpenToolCall::toMap).toList()),
                    SessionRows.json(session.subagentCalls().stream().map(SubagentCall::toMap).toList()), session.permissionScope(), Json.line(session.compaction().toMap()),
                    session.checkpoint().map(state -> Json.line(state.toMap())), session.expiresAt());
        } catch (SQLException e) {
            if (DUPLICATE.equals(e.getSQLState())) {
                throw new SessionExistsException(session.id());
            }
            throw e;
        }
    }

    /** A row, its key, and the place of the next message. */
    record Stored(long key, long nextSeq, Session session) {}

    private Optional<Stored> find(Transaction tx, String id, String lock) throws SQLException, IOException {
        return malformed(() -> tx.one("SELECT *" + MINE + " AND session_id = ?" + lock, JdbcSessionStore::stored, owner.org(), owner.user(), id));
    }

    /** What a row reader could not say as it is. */
    private static final class Malformed extends SQLException {
        private static final long serialVersionUID = 1L;

        Malformed(IOException cause) {
            super(cause);
        }
    }

    /** A query whose row readers may find what is malformed. */
    interface RowQuery<T> {
        T run() throws SQLException;
    }

    static <T> T malformed(RowQuery<T> query) throws SQLException, IOException {
        try {
            return query.run();
        } catch (Malformed e) {
            throw (IOException) e.getCause();
        }
    }

    private static Stored stored(ResultSet row) throws SQLException {
        try {
            String id = row.getString("session_id");
            Session session = new Session(id, row.getLong("version"), row.getLong("view_version"), row.getLong("message_count"),
                    Transaction.time(row, "created_at").orElseThrow(), Transaction.time(row, "updated_at").orElseThrow(),
                    SessionRows.object(row.getString("cost_data"), "cost_data", CostData::read), Optional.ofNullable(row.getString("parent_session_id")),
                    Optional.ofNullable(row.getString("forked_at_message_id")), SessionRows.optional(row.getString("pending_question"), "pending_question", QuestionState::read),
                    SessionRows.openToolCalls(row.getString("open_tool_calls")), SessionRows.subagentCalls(row.getString("pending_subagent_calls")),
                    Optional.ofNullable(row.getString("permission_scope_active")),
                    SessionRows.object(row.getString("compaction_state"), "compaction_state", CompactionState::read),
                    SessionRows.optional(row.getString("checkpoint_state"), "checkpoint_state", CheckpointState::read), Transaction.time(row, "expires_at"));
            return new Stored(row.getLong("session_key"), row.getLong("next_seq"), session);
        } catch (IOException e) {
            throw new Malformed(e);
        }
    }

    static Message message(ResultSet row) throws SQLException {
        try {
            return SessionRows.message(row.getString("body"));
        } catch (IOException e) {
            throw new Malformed(e);
        }
    }

    private Stored require(Transaction tx, String id, String lock) throws SQLException, IOException {
        return find(tx, id, lock).orElseThrow(() -> new NoSuchSessionException(id));
    }

    @Override
    public Optional<Session> load(String id) throws IOException {
        return database.read(false, tx -> find(tx, id, "").map(Stored::session));
    }

    @Override
    public boolean exists(String id) throws IOException {
        return database.read(false, tx -> tx.one("SELECT 1" + MINE + " AND session_id = ?", row -> true, owner.org(), owner.user(), id).isPresent());
    }

    @Override
    public List<Session> list(int most) throws IOException {
        return database.read(false, tx -> malformed(() -> tx.list("SELECT *" + MINE + " ORDER BY updated_at DESC, session_id LIMIT ?", row -> stored(row).session(), owner.org(), owner.user(),
                most)));
    }

    @Override
    public List<Message> messages(String id) throws IOException {
        return database.read(true, tx -> {
            Optional<Long> key = tx.one("SELECT session_key" + MINE + " AND session_id = ?", row -> row.getLong(1), owner.org(), owner.user(), id);
            return key.isEmpty() ? List.of() : malformed(() -> new MessageSegments(tx, key.get()).all());
        });
    }

    @Override
    public Changes changesSince(String id, long version) throws IOException {
        return database.read(true, tx -> {
            Stored found = require(tx, id, "");
            boolean whole = found.session.viewVersion() > version;
            MessageSegments segments = new MessageSegments(tx, found.key);
            return new Changes(found.session, whole, malformed(() -> whole ? segments.all() : segments.since(version)));
        });
    }

    @Override
    public Session edit(String id, OptionalLong version, Edit edit) throws IOException {
        return database.write(tx -> {
            Stored found = require(tx, id, " FOR UPDATE");
            if (version.isPresent() && version.getAsLong() != found.session.version()) {
                throw new VersionConflictException(id, version.getAsLong(), found.session.version());
            }
            MessageSegments segments = new MessageSegments(tx, found.key);
            SessionEdit change = edit.of(new JdbcLockedSession(tx, found.key, found.session, segments));
            return change.isNothing(found.session) ? found.session : write(tx, found, segments, change);
        });
    }

    private Session write(Transaction tx, Stored found, MessageSegments segments, SessionEdit edit) throws SQLException, IOException {
        long version = found.session.version() + 1;
        long removed = edit.removal().isPresent() ? segments.remove(version, edit.removal().get()) : 0;
        for (Message message : edit.resolved()) {
            segments.resolve(version, message);
        }
        segments.append(found.nextSeq, version, edit.appended());
        note(tx, found.key, edit.ledger());
        JdbcTraceStore.insert(tx, owner, edit.history());
        Session session = edit.session().stored(version, edit.removal().isPresent() ? version : found.session.viewVersion(), found.session.messageCount() - removed + edit.appended().size(),
                Instant.now());
        tx.update("UPDATE session SET version = ?, view_version = ?, message_count = ?, next_seq = ?, updated_at = ?, cost_data = ?, pending_question = ?, open_tool_calls = ?,"
                + " pending_subagent_calls = ?, permission_scope_active = ?, compaction_state = ?, checkpoint_state = ?, expires_at = ? WHERE session_key = ?",
                version, session.viewVersion(), session.messageCount(), found.nextSeq + edit.appended().size(), session.updatedAt(), Json.line(session.cost().toMap()),
                session.question().map(asked -> Json.line(asked.toMap())), SessionRows.json(session.openToolCalls().stream().map(OpenToolCall::toMap).toList()),
                SessionRows.json(session.subagentCalls().stream().map(SubagentCall::toMap).toList()), session.permissionScope(), Json.line(session.compaction().toMap()),
                session.checkpoint().map(state -> Json.line(state.toMap())), session.expiresAt(), found.key);
        return session;
    }

    private static void note(Transaction tx, long key, List<LedgerEntry> entries) throws SQLException {
        for (LedgerEntry entry : entries) {
            String value = Json.line(entry.value());
            // Nobody else writes it: the session's row is locked.
            if (tx.update("UPDATE ledger SET entry = ? WHERE session_key = ? AND kind = ? AND entry_key = ?", value, key, entry.kind().label(), entry.key()) == 0) {
                tx.update("INSERT INTO ledger (session_key, kind, entry_key, entry, created_at) VALUES (?, ?, ?, ?, ?)", key, entry.kind().label(), entry.key(), value, Instant.now());
            }
        }
    }

    @Override
    public Session branch(String id, Brancher brancher) throws IOException {
        return database.write(tx -> {
            Stored parent = require(tx, id, " FOR UPDATE");
            MessageSegments segments = new MessageSegments(tx, parent.key);
            Branch branch = brancher.of(new JdbcLockedSession(tx, parent.key, parent.session, segments));
            long last = branch.last().isEmpty() ? -1 : segments.seq(branch.last().get()).orElseThrow(() -> new IllegalArgumentException("there is no message " + branch.last().get()));
            long count = last == parent.nextSeq - 1 ? parent.session.messageCount() : segments.count(last);
            Session child = branch.child().stored(1, 1, count, branch.child().updatedAt());
            segments.share(insert(tx, child, last + 1), last, parent.nextSeq);
            note(tx, parent.key, branch.ledger());
            JdbcTraceStore.insert(tx, owner, List.of(Trace.of(child.id(), Trace.FORK, Trace.fork(child))));
            return child;
        });
    }

    @Override
    public boolean delete(String id) throws IOException {
        return database.write(tx -> delete(tx, owner, id));
    }

    static boolean delete(Transaction tx, SessionOwner owner, String id) throws SQLException {
        Optional<Long> key = tx.one("SELECT session_key" + MINE + " AND session_id = ? FOR UPDATE", row -> row.getLong(1), owner.org(), owner.user(), id);
        if (key.isPresent()) {
            MessageSegments.delete(tx, key.get());
        }
        return key.isPresent();
    }

    /** A session's key and its id. */
    private record Named(long key, String id) {}

    @Override
    public List<String> deleteBefore(Instant time) throws IOException {
        return database.write(tx -> {
            List<Named> old = tx.list("SELECT session_key, session_id" + MINE + " AND updated_at < ? ORDER BY session_id FOR UPDATE", row -> new Named(row.getLong(1), row.getString(2)), owner.org(),
                    owner.user(), time);
            for (Named one : old) {
                MessageSegments.delete(tx, one.key);
            }
            return old.stream().map(Named::id).toList();
        });
    }

    @Override
    public List<String> expired(Instant now) throws IOException {
        return database.read(false, tx -> tx.list("SELECT session_id" + MINE + " AND expires_at <= ? ORDER BY session_id", row -> row.getString(1), owner.org(), owner.user(), now));
    }

    @Override
    public void pause() {
        database.pause();
    }

    @Override
    public TraceStore traces() {
        return traces;
    }
}
