package dev.kvcapsule.gateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
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
            String message = assertThrows(IOException.class, () -> Credentials.read(file), text).getMessage();
            assertFalse(message.contains("ann-token"), message);
        }
        Path open = file(ANN + ": {org: acme, user: ann, permissions: []}\n", "rw-r--r--");
        assertTrue(assertThrows(IOException.class, () -> Credentials.read(open)).getMessage().contains("chmod 600"));
    }
}
