package dev.kvcapsule.sessions.store.jdbc;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.LedgerEntry;
import dev.kvcapsule.sessions.store.LockedSession;
import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;

/** A session whose row this transaction has locked. */
final class JdbcLockedSession implements LockedSession {
    private final Transaction tx;
    private final long key;
    private final Session session;
    private final MessageSegments segments;

    JdbcLockedSession(Transaction tx, long key, Session session, MessageSegments segments) {
        this.tx = tx;
        this.key = key;
        this.session = session;
        this.segments = segments;
    }

    private interface Query<T> {
        T run() throws SQLException, IOException;
    }

    private static <T> T query(Query<T> query) throws IOException {
        try {
            return query.run();
        } catch (SQLException e) {
            throw new IOException("session database: " + MalformedDataException.oneLine(String.valueOf(e.getMessage())), e);
        }
    }

    @Override
    public Session session() {
        return session;
    }

    @Override
    public List<Message> messages() throws IOException {
        return query(() -> JdbcSessionStore.malformed(segments::all));
    }

    @Override
    public Optional<Message> message(String id) throws IOException {
        return query(() -> JdbcSessionStore.malformed(() -> segments.message(id)));
    }

    @Override
    public Optional<Message> last() throws IOException {
        return query(() -> JdbcSessionStore.malformed(segments::last));
    }

    @Override
    public Optional<Message> after(String id) throws IOException {
        return query(() -> JdbcSessionStore.malformed(() -> segments.after(id)));
    }

    @Override
    public List<String> idsAfter(String id) throws IOException {
        return query(() -> segments.idsAfter(id));
    }

    @Override
    public Optional<LedgerEntry> ledger(LedgerEntry.Kind kind, String name) throws IOException {
        Optional<String> entry = query(() -> tx.one("SELECT entry FROM ledger WHERE session_key = ? AND kind = ? AND entry_key = ?", row -> row.getString(1), key, kind.label(), name));
        return entry.isEmpty() ? Optional.empty() : Optional.of(new LedgerEntry(kind, name, Json.readObject(entry.get())));
    }
}
