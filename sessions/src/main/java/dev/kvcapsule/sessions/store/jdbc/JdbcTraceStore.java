package dev.kvcapsule.sessions.store.jdbc;

import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.Trace;
import dev.kvcapsule.sessions.store.TraceStore;
import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One owner's history in a database. */
final class JdbcTraceStore implements TraceStore {
    private static final String MINE = " FROM trace WHERE owner_org = ? AND owner_user = ?";

    /** A trace whose payload is still JSON. */
    private record Row(String id, String session, String kind, Instant at, String payload) {
        Row(ResultSet row) throws SQLException {
            this(row.getString("trace_id"), row.getString("session_id"), row.getString("kind"), Transaction.time(row, "created_at").orElseThrow(), row.getString("payload"));
        }

        Trace parsed() throws IOException {
            Map<String, Object> fields = Json.readObject(payload);
            return new Trace(id, session, kind, at, fields);
        }
    }

    private final SessionDatabase database;
    private final SessionOwner owner;

    JdbcTraceStore(SessionDatabase database, SessionOwner owner) {
        this.database = database;
        this.owner = owner;
    }

    static void insert(Transaction tx, SessionOwner owner, List<Trace> traces) throws SQLException {
        tx.updateAll("INSERT INTO trace (trace_id, owner_org, owner_user, session_id, kind, created_at, payload) VALUES (?, ?, ?, ?, ?, ?, ?)", traces.stream()
                .map(trace -> new Object[] {trace.id(), owner.org(), owner.user(), trace.sessionId(), trace.kind(), trace.at(), Json.line(trace.payload())}).toList());
    }

    @Override
    public void save(Trace trace) throws IOException {
        database.write(tx -> {
            insert(tx, owner, List.of(trace));
            return true;
        });
    }

    @Override
    public Optional<Trace> get(String id) throws IOException {
        Optional<Row> found = database.read(false, tx -> tx.one("SELECT *" + MINE + " AND trace_id = ?", Row::new, owner.org(), owner.user(), id));
        return found.isEmpty() ? Optional.empty() : Optional.of(found.get().parsed());
    }

    @Override
    public List<Trace> list(String sessionId) throws IOException {
        List<Trace> traces = new ArrayList<>();
        for (Row row : database.read(false, tx -> tx.list("SELECT *" + MINE + " AND session_id = ? ORDER BY trace_id", Row::new, owner.org(), owner.user(), sessionId))) {
            traces.add(row.parsed());
        }
        return traces;
    }

    @Override
    public int deleteBefore(Instant time) throws IOException {
        return database.write(tx -> tx.update("DELETE" + MINE + " AND created_at < ?", owner.org(), owner.user(), time));
    }

    @Override
    public int delete(String sessionId) throws IOException {
        return database.write(tx -> tx.update("DELETE" + MINE + " AND session_id = ?", owner.org(), owner.user(), sessionId));
    }
}
