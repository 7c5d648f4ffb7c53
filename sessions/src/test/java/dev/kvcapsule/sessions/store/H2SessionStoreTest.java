package dev.kvcapsule.sessions.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class H2SessionStoreTest extends DatabaseContract {
    @TempDir
    private Path folder;
    private SessionDatabase database;

    @Override
    void reopen() throws IOException {
        open();
    }

    @BeforeEach
    void open() throws IOException {
        database = SessionDatabase.file(folder.resolve("database/sessions"));
    }

    @AfterEach
    void close() {
        database.close();
    }

    @Override
    SessionDatabase database() {
        return database;
    }

    @Override
    String address() {
        return "jdbc:h2:file:" + folder.resolve("database/sessions") + ";USER=sa;PASSWORD=";
    }

    @Override
    SessionDatabase another() throws IOException {
        return SessionDatabase.file(folder.resolve("database/sessions"));
    }

    @Test
    void whatWasKeptIsThereWhenTheFileIsOpenedAgainAndOthersCannotReadIt() throws IOException {
        store().create(Session.fresh("s1"));
        database.close();
        try (SessionDatabase again = another()) {
            assertEquals("s1", again.sessions(SessionOwner.LOCAL).load("s1").orElseThrow().id());
        }
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.resolve("database"))));
        open();
    }

    /** The file is another program's as soon as there is no work: file locks are a program's, so a channel of this one shows it as well. */
    @Test
    void theFileIsGivenBackWhenThereIsNoWork() throws Exception {
        store().create(Session.fresh("s1"));
        Path file = folder.resolve("database/sessions.mv.db");
        assertFalse(lockable(file), "held behind the last piece of work");
        long end = System.nanoTime() + 10_000_000_000L;
        while (!lockable(file)) {
            assertTrue(System.nanoTime() < end, "given back");
            Thread.sleep(50);
        }
        assertTrue(store().exists("s1"), "and taken again");
        store().pause();
        assertTrue(lockable(file), "given back at once");
        assertTrue(store().exists("s1"));
    }

    private static boolean lockable(Path file) throws IOException {
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE); var lock = channel.tryLock()) {
            return lock != null;
        } catch (OverlappingFileLockException e) {
            return false;
        }
    }
}
