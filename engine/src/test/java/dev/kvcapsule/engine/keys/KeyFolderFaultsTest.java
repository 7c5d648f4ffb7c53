package dev.kvcapsule.engine.keys;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/** What a registry does when two change it at once, when half of a change fails, and when its files or key sets are not as they should be. */
class KeyFolderFaultsTest extends KeyFolders {
    private static VerificationKey other(KeyFolder keys, String kid, KeyStatus status, String pair) throws IOException {
        VerificationKey key = keys.publicKey(kid).orElseThrow();
        return new VerificationKey(kid, key.algorithm(), key.key(), key.notBefore(), key.notAfter(), status, Optional.ofNullable(pair));
    }

    private interface Step {
        void run() throws IOException;
    }

    private static CompletableFuture<Void> after(CountDownLatch start, Step step) {
        return CompletableFuture.runAsync(() -> {
            try {
                start.await();
                step.run();
            } catch (IOException | InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }, task -> Thread.ofPlatform().start(task));
    }

    @Test
    void aRevocationSurvivesARotationAtTheSameTime() throws IOException {
        for (int race = 0; race < 60; race++) {
            String kid = "old" + race;
            signing(keys(), kid);
            CountDownLatch start = new CountDownLatch(1);
            List<CompletableFuture<Void>> both = List.of(after(start, () -> keys().lifecycle().rotate(kid, Optional.empty(), NOW)), after(start, () -> keys().lifecycle().revokeKey(kid)));
            start.countDown();
            both.forEach(CompletableFuture::join);
            assertEquals(KeyStatus.REVOKED, status(keys(), kid), "race " + race);
        }
    }

    @Test
    void aRevokedHalfIsNeverUnrevoked() throws IOException {
        KeyFolder keys = keys();
        hybrid(keys, "b");
        signing(keys, "n");
        keys.lifecycle().importKeys(new Jwks(List.of(other(keys, "b.ml-dsa", KeyStatus.REVOKED, "b")), Set.of()));
        assertEquals(KeyStatus.REVOKED, status(keys, "b"), "neither signature is enough alone");
        keys.lifecycle().rotate("b", Optional.of("n"), NOW);
        assertEquals(KeyStatus.REVOKED, status(keys, "b.ml-dsa"));
        assertThrows(KeyException.class, () -> keys.lifecycle().rotate("n", Optional.of("b"), NOW));
    }

    @Test
    void aKeyThatOnlyNamesAnotherDoesNotReachIt() throws IOException {
        KeyFolder keys = keys();
        signing(keys, "ours");
        KeyFolder others = keys("others");
        signing(others, "theirs");
        keys.lifecycle().importKeys(new Jwks(List.of(other(others, "theirs", KeyStatus.ACTIVE, "ours")), Set.of()));
        keys.lifecycle().revokeKey("theirs");
        assertEquals(KeyStatus.REVOKED, status(keys, "theirs"));
        assertEquals(KeyStatus.ACTIVE, status(keys, "ours"));
    }

    @Test
    void aKeyThatCannotSignTakesNobodysPlace() throws IOException {
        KeyFolder keys = keys();
        signing(keys, "a");
        hybrid(keys, "both");
        keys.lifecycle().newSigningKey(Optional.of("over"), KeyStatus.VERIFY_ONLY, NOW, Optional.of(NOW.plusSeconds(5)));
        KeyFolder others = keys("others");
        signing(others, "theirs");
        keys.lifecycle().importKeys(others.export());
        for (List<String> pair : List.of(List.of("a", "a"), List.of("a", "theirs"), List.of("a", "over"), List.of("both", "both"), List.of("both", "both.ml-dsa"))) {
            assertThrows(KeyException.class, () -> keys.lifecycle().rotate(pair.getFirst(), Optional.of(pair.getLast()), NOW.plusSeconds(5)), pair.toString());
            assertEquals(KeyStatus.ACTIVE, status(keys, pair.getFirst()));
        }
        assertEquals(KeyStatus.VERIFY_ONLY, status(keys, "theirs"));
    }

    @Test
    void aHybridKeyIsMadeWholeOrNotAtAll() throws IOException {
        KeyFolder keys = keys();
        VerificationKey one = signing(keys, "one");
        assertThrows(KeyException.class, () -> hybrid(keys, "one"));
        assertEquals(List.of(one), keys.signingKeys());
        // A folder where the private half should go: it cannot be written.
        Files.createDirectories(folder.resolve("keys/private/sign.two.private.jwk/full"));
        assertThrows(IOException.class, () -> hybrid(keys, "two"));
        assertEquals(List.of(one), keys.signingKeys());
        assertFalse(Files.exists(folder.resolve("keys/private/sign.two.ml-dsa.private.jwk")));
    }

    @Test
    void aDamagedTenantFileStopsOnlyItsTenant() throws IOException {
        KeyFolder keys = keys();
        keys.lifecycle().newTenantKey("acme");
        for (int epoch = 2; epoch <= 11; epoch++) {
            keys.lifecycle().rotateTenantKey("acme");
        }
        Path tenants = folder.resolve("keys/tenants");
        Files.writeString(tenants.resolve("evil.1.jwk"), "{\"kty\": \"oct\", \"tenant\": \"evil\", \"status\": \"ACTIVE\"}");
        assertEquals(11, keys.epoch("acme"));
        assertEquals(12, keys.lifecycle().rotateTenantKey("acme").epoch());
        assertThrows(KeyException.class, () -> keys.epoch("evil"));
        assertThrows(KeyException.class, keys::tenantKeys);
        Files.writeString(tenants.resolve("evil.1.jwk"), "{\"kty\": \"oct\", \"tenant\": \"../../\\u0000\", \"epoch\": 1}");
        assertThrows(KeyException.class, keys::tenantKeys);
        assertThrows(KeyException.class, () -> keys.epoch("../acme"));
        assertThrows(KeyException.class, () -> keys.epoch("none"));
    }

    @Test
    void revokedIdsInCapitalsCount() throws IOException {
        byte[] id = new byte[16];
        id[0] = (byte) 0xab;
        String text = "AB" + "00".repeat(15);
        Jwks set = Jwks.read(Files.writeString(folder.resolve("set"), "{\"keys\": [], \"revoked_capsules\": [\"" + text + "\"]}"));
        assertTrue(set.isRevoked(id));
        assertTrue(new Jwks(List.of(), Set.of(text)).isRevoked(id));
        keys().lifecycle().importKeys(set);
        assertTrue(keys().isRevoked(id));
        Files.writeString(folder.resolve("keys/revoked.json"), "{\"capsules\": [\"" + text + "\"]}");
        assertTrue(keys().isRevoked(id));
    }

    @Test
    void revocationsThatAreNotUnderstoodAreNotPassedOver() throws IOException {
        KeyFolder others = keys("others");
        signing(others, "theirs");
        String id = "00".repeat(16);
        for (String list : List.of("\"" + id + "\"", "7", "[7]", "[\"zz\"]", "[\"" + id + "\", \"" + id + "0\"]", "{}", "true", "[[\"" + id + "\"]]")) {
            Path set = Files.writeString(folder.resolve("set"), others.export().toJson().replaceAll("(?s)\"revoked_capsules\": \\[\\s*\\]", "\"revoked_capsules\": " + list));
            assertTrue(Files.readString(set).contains(list));
            assertThrows(KeyException.class, () -> Jwks.read(set), list);
            Files.createDirectories(folder.resolve("keys"));
            Files.writeString(folder.resolve("keys/revoked.json"), "{\"capsules\": " + list + "}");
            assertThrows(KeyException.class, () -> keys().isRevoked(new byte[16]), list);
        }
        Files.writeString(folder.resolve("keys/revoked.json"), "{\"revoked\": [\"" + id + "\"]}");
        assertThrows(KeyException.class, () -> keys().isRevoked(new byte[16]));
        assertTrue(keys().isEmpty());
    }

    @Test
    void aPkcs12FileThatIsReplacedIsOverwritten() throws IOException {
        KeyFolder keys = KeyFolder.openPkcs12(folder.resolve("keys"), "password".toCharArray());
        keys.lifecycle().newTenantKey("acme");
        keys.lifecycle().newTenantKey("other");
        byte[] wrapped = keys.wrap("other", 1, new byte[32], new byte[0]);
        Path file = folder.resolve("keys/private.p12");
        Path old = Files.createLink(folder.resolve("old"), file);
        int size = (int) Files.size(old);
        keys.lifecycle().revokeEpoch("acme", 1, true);
        assertArrayEquals(new byte[size], Files.readAllBytes(old));
        assertArrayEquals(new byte[32], keys.unwrap("other", 1, wrapped, new byte[0]));
        assertThrows(KeyException.class, () -> KeyFolder.openPkcs12(folder.resolve("unprotected"), new char[0]));
    }
}
