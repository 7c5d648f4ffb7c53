package dev.kvcapsule.sessions;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.row.CheckpointState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.MemorySessionStore;
import dev.kvcapsule.sessions.store.SessionEdit;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenSessionTest {
    @TempDir
    private Path folder;

    private final SessionStore store = new MemorySessionStore();

    private SessionFolder sessions() {
        return new SessionFolder(folder.resolve("sessions"), store);
    }

    private static CapsuleNote note(Path file, Instant expires) {
        return new CapsuleNote(file.getFileName().toString(), "id", "s1", "raw", 2, 10, 1, 2, expires, OptionalDouble.empty());
    }

    private static SessionState state(Optional<CapsuleNote> capsule) {
        return new SessionState("s1", Optional.empty(), Instant.EPOCH, Instant.EPOCH, Notes.NONE, Optional.empty(), List.of(), Optional.empty(), capsule, Optional.empty());
    }

    @Test
    void aSecondWriterIsToldAndReadersAreNot() throws IOException {
        try (OpenSession first = sessions().open("s1")) {
            first.write(state(Optional.empty()));
            assertTrue(assertThrows(SessionBusyException.class, () -> sessions().open("s1")).getMessage().contains("busy"));
            assertTrue(sessions().read("s1").isPresent());
            sessions().open("s2").close();
        }
        sessions().open("s1").close();
        assertEquals(List.of("s1"), sessions().list().stream().map(Session::id).toList(), "a session is there once it has a checkpoint");
    }

    @Test
    void onlyTheCapsuleOfTheStateStays() throws IOException {
        try (OpenSession session = sessions().open("s1")) {
            Path old = Files.writeString(session.newCapsule(), "old");
            session.write(state(Optional.of(note(old, Instant.MAX))));
            assertTrue(Files.exists(old));
            Path fresh = Files.writeString(session.newCapsule(), "new");
            Path left = Files.writeString(old.resolveSibling(".capsule-77.kvc.12.part"), "half");
            assertTrue(Files.exists(old), "until the new state is there");
            session.write(state(Optional.of(note(fresh, Instant.MAX))));
            assertFalse(Files.exists(old));
            assertFalse(Files.exists(left));
            assertTrue(Files.exists(session.capsule(note(fresh, Instant.MAX))));
        }
    }

    @Test
    void namesStayInTheFolder() {
        for (String id : List.of("", "..", "../x", "a/b", ".hidden", "-x", "a".repeat(65), "a b")) {
            assertThrows(IllegalArgumentException.class, () -> sessions().open(id), id);
        }
    }

    @Test
    void aDamagedStateIsNamed() throws IOException {
        try (OpenSession session = sessions().open("s1")) {
            session.write(state(Optional.empty()));
        }
        store.edit("s1", OptionalLong.empty(),
                locked -> SessionEdit.of(locked.session().withCheckpoint(Optional.of(new CheckpointState(Map.of("schema", 2L), Optional.empty(), Optional.empty(), Instant.EPOCH, 2)))));
        assertTrue(assertThrows(MalformedDataException.class, () -> sessions().read("s1")).getMessage().contains("a newer one wrote it"));
    }

    /** Checkpoints of older programs are taken over once; what cannot be read stays and is named. */
    @Test
    void stateFilesAreTakenOver() throws IOException {
        Path old = Files.createDirectories(folder.resolve("sessions/s1"));
        Path damaged = Files.createDirectories(folder.resolve("sessions/s2"));
        Path copy = Files.createDirectories(folder.resolve("sessions/s3"));
        Path capsule = Files.writeString(old.resolve("capsule-00.kvc"), "x");
        SessionState state = state(Optional.of(note(capsule, Instant.MAX)));
        Files.writeString(old.resolve("state.json"), state.toJson());
        Files.writeString(damaged.resolve("state.json"), "{");
        Files.writeString(copy.resolve("state.json"), state.toJson());
        assertTrue(StateFiles.exist(folder.resolve("sessions")));
        List<String> left = StateFiles.takeOver(sessions());
        assertEquals(2, left.size());
        assertTrue(left.getFirst().contains("s2") && left.getLast().contains("is of session 's1'"), left::toString);
        assertEquals(Optional.of(state), sessions().read("s1"));
        assertTrue(Files.exists(capsule));
        assertFalse(Files.exists(old.resolve("state.json")));
        Files.writeString(old.resolve("state.json"), state(Optional.empty()).toJson());
        StateFiles.takeOver(sessions());
        assertEquals(Optional.of(state), sessions().read("s1"), "what the store has is newer");
        assertEquals(List.of("s1"), sessions().list().stream().map(Session::id).toList());
    }

    @Test
    void aForkSharesTheCapsuleUntilItHasItsOwnAndPurgeDestroysWhatNobodyShares() throws IOException {
        Path file;
        try (OpenSession session = sessions().open("s1")) {
            file = Files.writeString(session.newCapsule(), "sealed");
            session.write(state(Optional.of(new CapsuleNote(file.getFileName().toString(), "00".repeat(16), "s1", "raw", 2, 10, 1, 2, Instant.MAX, OptionalDouble.empty()))));
        }
        sessions().fork("s1", Optional.empty(), "s2");
        Path shared = folder.resolve("sessions/s2").resolve(file.getFileName());
        assertEquals(Files.getAttribute(file, "unix:ino"), Files.getAttribute(shared, "unix:ino"), "the same file");
        assertEquals(Optional.of("s1"), sessions().read("s2").orElseThrow().parent());
        assertEquals(Optional.of("s1"), store.load("s2").orElseThrow().parentId());
        List<String> revoked = new ArrayList<>();
        Purge.Revoker revoker = id -> revoked.add(HexFormat.of().formatHex(id));
        Purge.Result first = Purge.of(sessions(), "s1", Optional.of(revoker));
        assertEquals(List.of("s2"), first.sharedWith());
        assertEquals(List.of(), revoked);
        assertFalse(Files.exists(file));
        assertEquals("sealed", Files.readString(shared));
        Path witness = folder.resolve("witness");
        Files.createLink(witness, shared);
        Purge.Result second = Purge.of(sessions(), "s2", Optional.of(revoker));
        assertEquals(List.of("00".repeat(16)), revoked);
        assertEquals(new Purge.Result(true, 1, 1, Optional.of("00".repeat(16)), List.of()), second);
        assertEquals("\0".repeat(6), Files.readString(witness), "the head, with the keys, is overwritten");
        assertFalse(store.exists("s2"));
        assertEquals(List.of(), store.traces().list("s2"));
    }

    /** Whatever is wrong with a capsule has a code of its own, and none of them is an exception. */
    @Test
    void aResumeWithoutAUsableCapsuleSaysWhy() throws IOException {
        try (OpenSession session = sessions().open("s1")) {
            Resume.Wish plain = new Resume.Wish(Optional.empty(), OptionalInt.empty(), true, false, false);
            assertEquals("no-capsule", Resume.of(session, state(Optional.empty()), plain).outcome().code());
            Path file = Files.writeString(session.newCapsule(), "no capsule at all");
            assertEquals("expired", Resume.of(session, state(Optional.of(note(file, Instant.EPOCH))), plain).outcome().code());
            assertEquals("no-gateway", Resume.of(session, state(Optional.of(note(file, Instant.MAX))), plain).outcome().code());
            assertEquals("lost", Resume.of(session, state(Optional.of(note(file.resolveSibling("capsule-00.kvc"), Instant.MAX))), plain).outcome().code());
            assertEquals("not-asked", Resume.of(session, state(Optional.of(note(file, Instant.MAX))), new Resume.Wish(Optional.empty(), OptionalInt.empty(), false, false, false)).outcome().code());
            assertEquals("not-asked", sessions().read("s1").orElseThrow().lastResume().orElseThrow().code());
        }
    }
}
