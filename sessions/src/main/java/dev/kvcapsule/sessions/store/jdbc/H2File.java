package dev.kvcapsule.sessions.store.jdbc;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.h2.api.ErrorCode;
import org.h2.jdbcx.JdbcDataSource;

/**
 * A database in a file, which is one program's at a time. It is held for as long as there is work, and a moment longer, and then given back: a gateway and commands beside it
 * share the file, and whoever comes while it is held waits. Killed at any moment, a program leaves what was committed, and no lock.
 */
final class H2File implements ConnectionSource {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long RETRY_MILLIS = 15;

    /** Texts up to that many bytes lie beside their row. */
    private static final int INLINE_BYTES = 64 << 10;

    private final JdbcDataSource source = new JdbcDataSource();
    private final Path file;
    private final Duration linger;
    private final Deque<Connection> idle = new ArrayDeque<>();
    /** One writer at a time: the file is this program's alone, and H2 lets those that wait for a row's lock try again and again, which takes the processor from the one that has it. */
    private final Semaphore writer = new Semaphore(1, true);
    private int taken;
    private long uses;
    private boolean closed;

    /**
     * @param file without the ending {@code .mv.db} that H2 adds; its folder is made if it is not there, readable by its owner only
     * @param linger how long the file is held behind the last piece of work
     */
    H2File(Path file, Duration linger) throws IOException {
        this.file = file.toAbsolutePath();
        this.linger = linger;
        if (this.file.toString().contains(";")) {
            throw new IOException(this.file + ": a database's path has no semicolon");
        }
        Path folder = this.file.getParent();
        if (!Files.isDirectory(folder)) {
            if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
                Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            } else {
                Files.createDirectories(folder);
            }
        }
        source.setURL("jdbc:h2:file:" + this.file + ";DB_CLOSE_ON_EXIT=FALSE;TRACE_LEVEL_FILE=0;LOCK_TIMEOUT=30000;MAX_COMPACT_TIME=0;MAX_LENGTH_INPLACE_LOB=" + INLINE_BYTES);
        source.setUser("sa");
        source.setPassword("");
    }

    @Override
    public Connection take(boolean writes) throws SQLException, IOException {
        if (!writes) {
            return take();
        }
        try {
            if (!writer.tryAcquire(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                throw new IOException(file + ".mv.db: others have been writing for " + PATIENCE.toSeconds() + " s");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while others wrote to the session database");
        }
        boolean done = false;
        try {
            Connection connection = take();
            done = true;
            return connection;
        } finally {
            if (!done) {
                writer.release();
            }
        }
    }

    private Connection take() throws SQLException, IOException {
        synchronized (this) {
            if (closed) {
                throw new IOException("the session database is closed");
            }
            taken++;
            uses++;
            if (!idle.isEmpty()) {
                return idle.pop();
            }
        }
        try {
            return open();
        } catch (SQLException | IOException e) {
            released();
            throw e;
        }
    }

    private Connection open() throws SQLException, IOException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                return source.getConnection();
            } catch (SQLException e) {
                if (e.getErrorCode() != ErrorCode.DATABASE_ALREADY_OPEN_1) {
                    throw e;
                }
                if (System.nanoTime() > end) {
                    throw new IOException(file + ".mv.db: another program has held the session database for " + PATIENCE.toSeconds() + " s");
                }
            }
            try {
                Thread.sleep(RETRY_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while another program held the session database");
            }
        }
    }

    @Override
    public void giveBack(Connection connection, boolean writes) throws SQLException {
        if (writes) {
            writer.release();
        }
        synchronized (this) {
            if (!closed) {
                idle.push(connection);
                released();
                return;
            }
        }
        connection.close();
        released();
    }

    private synchronized void released() {
        taken--;
        if (taken == 0 && !idle.isEmpty()) {
            long then = uses;
            Thread.ofVirtual().name("kvcapsule-database").start(() -> {
                try {
                    Thread.sleep(linger);
                    letGo(then);
                } catch (InterruptedException e) {
                    // The next piece of work will see to it.
                }
            });
        }
    }

    /** The last connection that closes closes the file. @param then how much work there had been: if there was more since, that will see to it */
    private synchronized void letGo(long then) {
        if (taken == 0 && uses == then) {
            closeIdle();
        }
    }

    @Override
    public synchronized void pause() {
        if (taken == 0) {
            closeIdle();
        }
    }

    private void closeIdle() {
        while (!idle.isEmpty()) {
            try {
                idle.pop().close();
            } catch (SQLException e) {
                // What was committed is in the file; the next program to open it sets it right.
            }
        }
    }

    @Override
    public void committed(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("CHECKPOINT SYNC");
        }
    }

    @Override
    public DataSource dataSource() {
        return source;
    }

    @Override
    public synchronized void close() {
        closed = true;
        closeIdle();
    }
}
