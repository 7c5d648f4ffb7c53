package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.SessionFolder;
import dev.kvcapsule.sessions.StateFiles;
import dev.kvcapsule.sessions.chunks.LocalChunks;
import dev.kvcapsule.sessions.store.MemorySessionStore;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where sessions are. */
final class DatabaseOptions {
    private static final String VARIABLE = "CAPSULE_DATABASE";

    @Option(names = "--database", paramLabel = "URL", description = "A PostgreSQL database of sessions, jdbc:postgresql://HOST:PORT/NAME?user=.. (default: the environment's " + VARIABLE
            + ", else a file, database/sessions.mv.db in CAPSULE_HOME).")
    private String url;

    /** The sessions of one owner; closing gives the database back. */
    record Sessions(SessionDatabase database, SessionStore store, SessionFolder folder) implements AutoCloseable {
        @Override
        public void close() {
            if (database != null) {
                database.close();
            }
        }
    }

    private String address() {
        String named = url != null ? url : System.getenv(VARIABLE);
        if (named != null && !named.isEmpty() && !named.startsWith(SessionDatabase.POSTGRES)) {
            throw new Failures.UsageException((url != null ? "--database" : VARIABLE) + " takes an address that begins with " + SessionDatabase.POSTGRES);
        }
        return named == null ? "" : named;
    }

    private static Path file() {
        return BasisOptions.home().resolve("database").resolve("sessions");
    }

    /** The database, whether it is there yet or not. */
    SessionDatabase open() throws IOException {
        return address().isEmpty() ? SessionDatabase.file(file()) : SessionDatabase.postgres(address());
    }

    /** This user's own sessions, to be changed. */
    Sessions local(PrintWriter err) throws IOException {
        return of(SessionOwner.LOCAL, err);
    }

    /** Somebody's, to be changed. */
    Sessions of(SessionOwner owner, PrintWriter err) throws IOException {
        SessionDatabase database = open();
        SessionStore store = database.sessions(owner);
        SessionFolder folder = new SessionFolder(folder(), store);
        try {
            if (owner.equals(SessionOwner.LOCAL)) {
                StateFiles.takeOver(folder).forEach(line -> err.println("capsule: warning: the checkpoint of an older program cannot be taken over: " + line));
            }
        } catch (IOException e) {
            database.close();
            throw e;
        }
        return new Sessions(database, store, folder);
    }

    /** Somebody's, to be looked at: where there are none, no database is made. */
    Sessions existing(SessionOwner owner, PrintWriter err) throws IOException {
        if (address().isEmpty() && !Files.exists(file().resolveSibling("sessions.mv.db")) && !StateFiles.exist(folder())) {
            SessionStore none = new MemorySessionStore();
            return new Sessions(null, none, new SessionFolder(folder(), none));
        }
        return of(owner, err);
    }

    /** The chunks of all sessions, whoever's they are: no database is looked at. */
    static LocalChunks chunks() {
        return LocalChunks.beside(folder());
    }

    private static Path folder() {
        return BasisOptions.home().resolve("sessions");
    }
}
