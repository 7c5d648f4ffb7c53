package dev.kvcapsule.sessions.store.jdbc;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;

/** Connections to one database. Safe for use by many threads. */
interface ConnectionSource extends AutoCloseable {
    /**
     * A connection for one piece of work; waits for it if it must.
     *
     * @param writes whether it is to change anything
     */
    Connection take(boolean writes) throws SQLException, IOException;

    /** Gives it back. @param writes as it was taken */
    void giveBack(Connection connection, boolean writes) throws SQLException;

    /** Called behind a commit: what has been written outlives the machine's power when it returns. */
    void committed(Connection connection) throws SQLException;

    /** Gives back now what is held for the next piece of work, if none is under way. */
    void pause();

    /** For the migrations; while a connection is taken. */
    DataSource dataSource();

    @Override
    void close();
}
