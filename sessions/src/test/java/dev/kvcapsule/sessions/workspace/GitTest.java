package dev.kvcapsule.sessions.workspace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With the git command itself; skipped where there is none. */
class GitTest {
    @TempDir
    private Path folder;

    private void git(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("git", "-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main"));
        command.addAll(List.of(arguments));
        try {
            Process process = new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true).start();
            String out = new String(process.getInputStream().readAllBytes());
            assertEquals(0, process.waitFor(), out);
        } catch (IOException e) {
            Assumptions.abort("no git command");
        }
    }

    private Revision revision() throws IOException {
        return Git.revision(folder).orElseThrow();
    }

    @Test
    void aFileThatCannotBeReadIsAsOneThatIsNotThere() throws IOException {
        Artifact file = Artifact.of(Files.writeString(folder.resolve("a"), "x"));
        assertEquals("same", file.since());
        Files.delete(folder.resolve("a"));
        assertEquals("missing", file.since());
        // A socket or a name that vanishes has the same end; a folder stands for both.
        Files.createDirectory(folder.resolve("a"));
        assertEquals("missing", file.since());
        assertEquals(Optional.empty(), Artifact.of(folder.resolve("a")).digest());
    }

    @Test
    void everyChangeOfAWorktreeIsSeen() throws Exception {
        assertEquals(Optional.empty(), Git.revision(folder));
        git("init", "-q");
        Files.writeString(folder.resolve("a.txt"), "one\n");
        Revision empty = revision();
        assertEquals(Optional.empty(), empty.commit());
        assertTrue(empty.dirty());
        git("add", "a.txt");
        git("commit", "-qm", "first");
        git("remote", "add", "origin", "https://ann:secret@example.org/r.git");
        Revision clean = revision();
        assertFalse(clean.dirty());
        assertEquals(Optional.of("main"), clean.branch());
        assertEquals(Optional.of("https://example.org/r.git"), clean.repository());
        assertEquals(List.of(), clean.drift(Optional.of(revision())));

        Files.writeString(folder.resolve("a.txt"), "two\n");
        Revision changed = revision();
        assertTrue(changed.dirty());
        assertEquals(List.of("there are uncommitted changes now"), clean.drift(Optional.of(changed)));
        Files.writeString(folder.resolve("a.txt"), "three\n");
        assertNotEquals(changed.diffDigest(), revision().diffDigest());
        assertEquals(List.of("uncommitted changes are others"), changed.drift(Optional.of(revision())));

        Files.writeString(folder.resolve("ä new.bin"), "x");
        Revision untracked = revision();
        Files.writeString(folder.resolve("ä new.bin"), "y");
        assertNotEquals(untracked.diffDigest(), revision().diffDigest(), "contents of files that git does not know");
        git("add", "-A");
        git("commit", "-qm", "second");
        assertTrue(untracked.drift(Optional.of(revision())).getFirst().startsWith("commit was"));
        git("checkout", "-q", "--detach");
        assertEquals(Optional.empty(), revision().branch());
        Files.createDirectory(folder.resolve("inner"));
        assertEquals(revision(), Git.revision(folder.resolve("inner")).orElseThrow());
        assertEquals(List.of(clean.worktree() + " is no git worktree any more"), clean.drift(Optional.empty()));
    }

    @Test
    void artifactsAreComparedByDigest() throws IOException {
        Path file = folder.resolve("model.bin");
        Artifact absent = Artifact.of(file);
        assertEquals("absent", absent.since());
        Files.writeString(file, "one");
        assertEquals("new", absent.since());
        Artifact one = Artifact.of(file);
        assertEquals("same", one.since());
        Files.writeString(file, "two");
        assertEquals("changed", one.since());
        Files.delete(file);
        assertEquals("missing", one.since());
    }
}
