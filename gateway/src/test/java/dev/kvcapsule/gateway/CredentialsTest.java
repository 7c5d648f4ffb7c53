package dev.kvcapsule.gateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CredentialsTest {
    private static final String ANN = "ann-token-0123456789";
    /** echo -n ann-token-0123456789 | sha256sum */
    private static final String DIGEST = "sha256:c5fec5a2ef44f8b048a4f4bf10818d3c5785ad975325d8a4efc72dcf1d6632e1";

    @TempDir
    private Path folder;

    private Path file(String text, String permissions) throws IOException {
        Path file = Files.writeString(folder.resolve("tokens.yaml"), text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
        return file;
    }

    @Test
    void aTokenIsKnownInClearOrByItsDigest() throws IOException {
        Credentials clear = Credentials.read(file(ANN + ": {org: acme, user: ann, permissions: [infer, restore]}\n", "rw-------"));
        Principal principal = clear.authenticate("Bearer " + ANN).orElseThrow();
        assertEquals(new Principal("acme", "ann", Set.of(Permission.INFER, Permission.RESTORE)), principal);
        assertThrows(RequestException.class, () -> principal.require(Permission.EXPORT));
        Credentials digest = Credentials.read(file("\"" + DIGEST + "\": {org: acme, user: ann, permissions: []}\n", "rw-r--r--"));
        assertTrue(digest.authenticate("bearer  " + ANN).isPresent());
        for (String wrong : new String[] {null, "", ANN, "Basic " + ANN, "Bearer", "Bearer ", "Bearer " + ANN + "x", "Bearer " + DIGEST}) {
            assertEquals(Optional.empty(), digest.authenticate(wrong), wrong);
        }
    }

    @Test
    void whatIsWrongIsToldWithoutTheToken() throws IOException {
        for (String text : new String[] {"", "[]", "x: y", ANN + ": {org: acme, user: ann}", ANN + ": {org: acme, user: ann, permissions: [root]}",
            ANN + ": {org: '', user: ann, permissions: []}", ANN + ": {org: a, user: ann, permissions: [], more: 1}", ANN + ": {a: 1}\n" + ANN + ": {b: 2}", ANN + ": [", "short: {org: a, user: b, permissions: []}",
            "sha256:00: {org: a, user: b, permissions: []}", ANN + ": !!java.net.URL ['http://x']"}) {
            Path file = file(text, "rw-------");
            String message = assertThrows(MalformedDataException.class, () -> Credentials.read(file), text).getMessage();
            assertFalse(message.contains("ann-token"), message);
        }
        Path binary = Files.write(folder.resolve("binary.yaml"), new byte[] {(byte) 0xFF, (byte) 0xFE, 'x'});
        assertThrows(MalformedDataException.class, () -> Credentials.read(binary));
        Path open = file(ANN + ": {org: acme, user: ann, permissions: []}\n", "rw-r--r--");
        IOException exposed = assertThrows(IOException.class, () -> Credentials.read(open));
        assertTrue(exposed.getMessage().contains("chmod 600"));
        assertFalse(exposed instanceof MalformedDataException, "nothing is wrong with what it says");
        assertThrows(NoSuchFileException.class, () -> Credentials.read(folder.resolve("none.yaml")));
    }

    @Test
    void aTokenIsTextHoweverItLooks() throws IOException {
        for (String token : new String[] {"00123456789012345678", "0x1234567890abcdef12", "123456789012345678.10", "1_000_000_000_000_000", "12345678901234567e10"}) {
            Credentials credentials = Credentials.read(file(token + ": {org: 0012, user: true, permissions: [infer]}\n", "rw-------"));
            assertEquals(Optional.of(new Principal("0012", "true", Set.of(Permission.INFER))), credentials.authenticate("Bearer " + token), token);
        }
    }
}
