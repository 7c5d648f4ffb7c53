package dev.kvcapsule.sessions.store.jdbc;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/** A PostgreSQL server. */
final class PostgresPool implements ConnectionSource {
    private static final int CONNECTIONS = 10;
    private static final int WAIT_MILLIS = 30_000;

    private final HikariDataSource pool;

    /**
     * @param url {@code jdbc:postgresql://HOST:PORT/DATABASE?...}; a password may stand in {@code ~/.pgpass} instead
     * @throws IOException if the server cannot be reached, or does not let us in
     */
    PostgresPool(String url) throws IOException {
        PGSimpleDataSource source = new PGSimpleDataSource();
        try {
            source.setURL(url);
        } catch (IllegalArgumentException e) {
            // The driver's message would repeat the address, which may hold a password.
            throw new IOException("the address of the session database is none that PostgreSQL's driver reads: jdbc:postgresql://HOST:PORT/DATABASE");
        }
        HikariConfig config = new HikariConfig();
        config.setDataSource(source);
        config.setMaximumPoolSize(CONNECTIONS);
        config.setMinimumIdle(1);
        config.setConnectionTimeout(WAIT_MILLIS);
        // Nothing is asked of the server until there is work: it may come later than this program.
        config.setInitializationFailTimeout(-1);
        config.setPoolName("kvcapsule-sessions");
        this.pool = new HikariDataSource(config);
    }

    @Override
    public Connection take(boolean writes) throws SQLException {
        return pool.getConnection();
    }

    @Override
    public void giveBack(Connection connection, boolean writes) throws SQLException {
        connection.close();
    }

    @Override
    public void committed(Connection connection) {
        // The server's commit is on its disk.
    }

    @Override
    public void pause() {
        // Nobody waits for a connection of this pool.
    }

    @Override
    public DataSource dataSource() {
        return pool;
    }

    @Override
    public void close() {
        pool.close();
    }
}
