package dev.kvcapsule.sessions.store.jdbc;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * The sessions of all owners. Nothing is opened until there is work; the first piece of it brings the tables up to date. Safe for use by many threads.
 */
public final class SessionDatabase implements AutoCloseable {
    /** How PostgreSQL's addresses begin. */
    public static final String POSTGRES = "jdbc:postgresql:";

    private static final Duration LINGER = Duration.ofMillis(500);

    private final ConnectionSource source;
    private boolean isCurrent;

    private SessionDatabase(ConnectionSource source) {
        this.source = source;
    }

    /**
     * A file, H2's: the default, which takes no set-up. Programs may share it: see {@code docs/sessions.md}.
     *
     * @param file without the ending {@code .mv.db}
     */
    public static SessionDatabase file(Path file) throws IOException {
        return new SessionDatabase(new H2File(file, LINGER));
    }

    /**
     * A PostgreSQL server.
     *
     * @param url {@code jdbc:postgresql://HOST:PORT/DATABASE?...}
     */
    public static SessionDatabase postgres(String url) throws IOException {
        return new SessionDatabase(new PostgresPool(url));
    }

    /** One owner's sessions. */
    public SessionStore sessions(SessionOwner owner) {
        return new JdbcSessionStore(this, owner);
    }

    /**
     * A session whose time is over.
     *
     * @param owner whose
     * @param id the session
     */
    public record Outdated(SessionOwner owner, String id) {}

    /** What of a session's removal can begin and end at any time, in any program: {@link SessionPurges}. */
    public SessionPurges purges() {
        return new SessionPurges(this);
    }

    /** Says that nothing is asked for a while: a file is given to other programs at once, and not half a second later. */
    public void pause() {
        source.pause();
    }

    /**
     * All owners' sessions whose time is over.
     *
     * @param unchanged also those that nobody has changed since; empty for none
     */
    public List<Outdated> outdated(Instant now, Optional<Instant> unchanged) throws IOException {
        return read(false, tx -> tx.list("SELECT owner_org, owner_user, session_id FROM session WHERE expires_at <= ? OR updated_at < ? ORDER BY session_key",
                row -> new Outdated(new SessionOwner(row.getString(1), row.getString(2)), row.getString(3)), now, unchanged.orElse(Instant.EPOCH)));
    }

    /** What is done with a transaction. */
    interface Work<T> {
        T of(Transaction transaction) throws SQLException, IOException;
    }

    /** Reads. @param several whether more than one statement is to see the same state */
    <T> T read(boolean several, Work<T> work) throws IOException {
        return run(several ? Connection.TRANSACTION_REPEATABLE_READ : Connection.TRANSACTION_READ_COMMITTED, false, work);
    }

    /** Writes: all of it or nothing. */
    <T> T write(Work<T> work) throws IOException {
        return run(Connection.TRANSACTION_READ_COMMITTED, true, work);
    }

    private <T> T run(int isolation, boolean writes, Work<T> work) throws IOException {
        Connection connection = null;
        try {
            connection = source.take(writes);
            ensureCurrent(connection);
            return run(connection, isolation, writes, work);
        } catch (SQLException e) {
            throw new IOException("session database: " + MalformedDataException.oneLine(String.valueOf(e.getMessage())), e);
        } finally {
            giveBack(connection, writes);
        }
    }

    private <T> T run(Connection connection, int isolation, boolean writes, Work<T> work) throws SQLException, IOException {
        boolean other = isolation != Connection.TRANSACTION_READ_COMMITTED;
        if (other) {
            connection.setTransactionIsolation(isolation);
        }
        connection.setAutoCommit(false);
        boolean done = false;
        try {
            T result = work.of(new Transaction(connection));
            connection.commit();
            done = true;
            if (writes) {
                source.committed(connection);
            }
            return result;
        } finally {
            if (!done) {
                connection.rollback();
            }
            connection.setAutoCommit(true);
            if (other) {
                connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            }
        }
    }

    private void giveBack(Connection connection, boolean writes) throws IOException {
        if (connection != null) {
            try {
                source.giveBack(connection, writes);
            } catch (SQLException e) {
                throw new IOException("session database: " + MalformedDataException.oneLine(String.valueOf(e.getMessage())), e);
            }
        }
    }

    private synchronized void ensureCurrent(Connection connection) throws SQLException, IOException {
        if (!isCurrent) {
            Schema.update(connection, source.dataSource());
            isCurrent = true;
        }
    }

    @Override
    public void close() {
        source.close();
    }
}
