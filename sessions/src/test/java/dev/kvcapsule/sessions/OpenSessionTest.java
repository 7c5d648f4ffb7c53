package dev.kvcapsule.sessions;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenSessionTest {
    @TempDir
    private Path folder;

    private SessionFolder sessions() {
        return new SessionFolder(folder.resolve("sessions"));
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
        assertEquals(List.of("s1"), sessions().list(), "a session is there once it has a checkpoint");
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
        Files.createDirectories(folder.resolve("sessions/s1"));
        Files.writeString(folder.resolve("sessions/s1/state.json"), "{");
        assertTrue(assertThrows(MalformedDataException.class, () -> sessions().read("s1")).getMessage().contains("state.json"));
    }

    @Test
    void whatIsNoSessionIsNotListed() throws IOException {
        try (OpenSession session = sessions().open("s1")) {
            session.write(state(Optional.empty()));
        }
        for (String copy : List.of("s1 copy", "s2")) {
            Files.createDirectories(folder.resolve("sessions").resolve(copy));
            Files.copy(folder.resolve("sessions/s1/state.json"), folder.resolve("sessions").resolve(copy).resolve("state.json"));
        }
        assertEquals(List.of("s1", "s2"), sessions().list());
        assertTrue(assertThrows(MalformedDataException.class, () -> sessions().read("s2")).getMessage().contains("is of session 's1'"), "a copy is not the session it was made of");
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
