package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeysCommandTest {
    @TempDir
    private Path folder;

    private Run keys(Object... args) {
        return Run.of(Stream.concat(Stream.of("keys"), Stream.concat(Stream.of(args), Stream.of("--keys", folder.resolve("keys")))).toArray());
    }

    @Test
    void aTenantThatIsThereIsNotMadeAgain() {
        Run made = keys("new", "--tenant", "acme");
        assertEquals(0, made.exit(), made.err());
        String before = keys("list").out();
        for (List<String> more : List.of(List.<String>of(), List.of("--kid", "other"), List.of("--hybrid"))) {
            Run again = keys(Stream.concat(Stream.of("new", "--tenant", "acme", "--json"), more.stream()).toArray());
            assertEquals(2, again.exit(), more.toString());
            assertTrue(again.error("message").contains("capsule keys rotate --tenant acme"), again.err());
            assertEquals(before, keys("list").out(), "nothing is made, nothing changes state");
        }
        assertEquals(0, keys("rotate", "--tenant", "acme").exit());
        String after = keys("list").out();
        assertTrue(after.contains("tenant=acme  epoch=1  status=VERIFY_ONLY  present=true"), after);
        assertTrue(after.contains("tenant=acme  epoch=2  status=ACTIVE  present=true"), after);
    }

    @Test
    void aSecondTenantSharesTheSigningKey() {
        assertEquals(2, keys("new", "--tenant", "acme").out().lines().count());
        assertEquals("tenant=evil  epoch=1  status=ACTIVE  present=true", keys("new", "--tenant", "evil").out().strip());
    }

    @Test
    void aTenantThatIsNotThereDoesNotRotate() {
        Run run = keys("rotate", "--tenant", "acme", "--json");
        assertEquals(2, run.exit());
        assertTrue(run.error("message").contains("capsule keys new --tenant acme"), run.err());
        assertFalse(Files.exists(folder.resolve("keys/tenants")));
    }

    @Test
    void revokingSaysWhatWasRevoked() {
        keys("new", "--tenant", "acme");
        assertEquals("tenant=acme  epoch=1  destroyed=true", keys("revoke", "--tenant", "acme", "--epoch", "1", "--destroy").out().strip());
        assertTrue(keys("list").out().contains("tenant=acme  epoch=1  status=REVOKED  present=false"));
    }
}
