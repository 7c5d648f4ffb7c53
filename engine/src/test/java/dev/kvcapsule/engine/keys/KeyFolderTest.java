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
import org.junit.jupiter.api.Test;

class KeyFolderTest extends KeyFolders {
    @Test
    void whatOneProcessMakesAnotherFinds() throws IOException {
        VerificationKey made = signing(keys(), "first");
        assertEquals(List.of(made), keys().signingKeys());
        byte[] message = {1, 2, 3};
        assertTrue(made.verify(message, keys().sign("first", message)));
        assertFalse(made.verify(new byte[] {1, 2, 4}, keys().sign("first", message)));
        assertFalse(made.verify(message, new byte[64]));
        assertFalse(made.verify(message, new byte[3]));
    }

    @Test
    void aFailureLeavesWhatWasThere() throws IOException {
        KeyFolder keys = keys();
        VerificationKey first = signing(keys, "first");
        assertThrows(KeyException.class, () -> signing(keys, "first"));
        assertThrows(KeyException.class, () -> signing(keys, "../first"));
        assertThrows(KeyException.class, () -> signing(keys, ""));
        assertThrows(KeyException.class, () -> keys.lifecycle().revokeEpoch("nobody", 1, true));
        assertThrows(KeyException.class, () -> keys.lifecycle().revokeKey("nothing"));
        assertEquals(List.of(first), keys.signingKeys());
        KeyFolder other = keys("other");
        signing(other, "first");
        signing(other, "second");
        assertThrows(KeyException.class, () -> keys.lifecycle().importKeys(other.export()));
        assertEquals(List.of(first), keys.signingKeys());
    }

    @Test
    void namesFromCapsulesNeverBecomePaths() throws IOException {
        signing(keys(), "first");
        for (String kid : List.of("../keys/signing/first", "/etc/passwd", "", ".", "..", "a/b", "first\0")) {
            assertEquals(Optional.empty(), keys().publicKey(kid), kid);
        }
    }

    @Test
    void wrappedKeysOpenWithTheirContextOnly() throws IOException {
        KeyFolder keys = keys();
        keys.lifecycle().newTenantKey("acme");
        keys.lifecycle().newTenantKey("evil");
        byte[] key = new byte[32];
        key[5] = 9;
        byte[] wrapped = keys.wrap("acme", 1, key, new byte[] {7});
        assertArrayEquals(key, keys.unwrap("acme", 1, wrapped, new byte[] {7}));
        assertThrows(IOException.class, () -> keys.unwrap("acme", 1, wrapped, new byte[] {8}));
        assertThrows(IOException.class, () -> keys.unwrap("evil", 1, wrapped, new byte[] {7}));
        assertThrows(IOException.class, () -> keys.unwrap("acme", 2, wrapped, new byte[] {7}));
        assertThrows(IOException.class, () -> keys.unwrap("acme", 1, new byte[59], new byte[] {7}));
        for (int bit = 0; bit < 8 * wrapped.length; bit++) {
            byte[] flipped = wrapped.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            assertThrows(IOException.class, () -> keys.unwrap("acme", 1, flipped, new byte[] {7}));
        }
        assertFalse(java.util.Arrays.equals(wrapped, keys.wrap("acme", 1, key, new byte[] {7})), "each wrapping has a nonce of its own");
    }

    @Test
    void destroyingATenantsKeyErasesIt() throws IOException {
        KeyFolder keys = keys();
        keys.lifecycle().newTenantKey("acme");
        byte[] wrapped = keys.wrap("acme", 1, new byte[32], new byte[0]);
        keys.lifecycle().revokeEpoch("acme", 1, true);
        assertThrows(IOException.class, () -> keys.unwrap("acme", 1, wrapped, new byte[0]));
        try (var files = Files.walk(folder)) {
            assertTrue(files.noneMatch(file -> file.getFileName().toString().startsWith("tenant.acme")));
        }
        assertEquals(2, keys.lifecycle().rotateTenantKey("acme").epoch(), "an epoch is never used twice");
    }

    @Test
    void keySetsCarryPublicKeysStatesAndRevocations() throws IOException {
        KeyFolder keys = keys();
        signing(keys, "first");
        keys.lifecycle().newHybridKey(Optional.of("both"), KeyStatus.ACTIVE, NOW, Optional.of(NOW.plusSeconds(99)));
        keys.lifecycle().revokeKey("first");
        keys.lifecycle().revokeCapsule(new byte[16]);
        Path file = Files.writeString(folder.resolve("set"), keys.export().toJson());
        Jwks set = Jwks.read(file);
        assertEquals(keys.signingKeys(), set.keys());
        assertTrue(set.isRevoked(new byte[16]));
        assertEquals(Set.of("00".repeat(16)), set.revokedCapsules());
        KeyFolder verifier = keys("verifier");
        assertEquals(3, verifier.lifecycle().importKeys(set));
        assertEquals(KeyStatus.REVOKED, status(verifier, "first"));
        assertEquals(KeyStatus.VERIFY_ONLY, status(verifier, "both"));
        assertEquals(Optional.of("both"), verifier.publicKey("both.ml-dsa").orElseThrow().pair());
        assertTrue(verifier.isRevoked(new byte[16]));
        assertThrows(KeyException.class, () -> verifier.sign("both", new byte[1]));
    }

    @Test
    void setsWithPrivateKeysOrNonsenseAreNotRead() throws IOException {
        for (String text : List.of("", "{", "[]", "{}", "{\"keys\": [1]}", "{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"alg\": \"Ed25519\", \"x\": \"AA\", \"kid\": \"a\", \"d\": \"c2VjcmV0\"}]}",
                "{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"alg\": \"Ed25519\", \"x\": \"AA\", \"kid\": \"a\"}]}", "{\"a\": 1, \"a\": 2}", "{\"keys\": []} x", "{\"keys\": \"\\u12\"}",
                "[".repeat(10_000))) {
            Path file = Files.writeString(folder.resolve("set"), text);
            String message = assertThrows(KeyException.class, () -> Jwks.read(file), text).getMessage();
            assertFalse(message.contains("c2VjcmV0"));
        }
    }

    @Test
    void rotationGoesThroughAKeyThatVerifiersAlreadyHave() throws IOException {
        KeyFolder keys = keys();
        signing(keys, "old");
        keys.lifecycle().newSigningKey(Optional.of("next"), KeyStatus.VERIFY_ONLY, NOW.plusSeconds(1), Optional.empty());
        assertEquals("old", keys.defaultSigner(NOW.plusSeconds(5)).orElseThrow().kid());
        assertThrows(KeyException.class, () -> keys.sign("next", new byte[1]));
        assertEquals("next", keys.lifecycle().rotate("old", Optional.of("next"), NOW).kid());
        assertEquals("next", keys.defaultSigner(NOW.plusSeconds(5)).orElseThrow().kid());
        assertEquals(KeyStatus.VERIFY_ONLY, status(keys, "old"));
        keys.lifecycle().revokeKey("old");
        assertThrows(KeyException.class, () -> keys.lifecycle().rotate("next", Optional.of("old"), NOW));
    }

    @Test
    void aTenantIsNewOnceAndThenRotates() throws IOException {
        KeyFolder keys = keys();
        KeyLifecycle lifecycle = keys.lifecycle();
        assertThrows(KeyException.class, () -> lifecycle.rotateTenantKey("acme"));
        lifecycle.newTenantKey("acme");
        assertThrows(KeyException.class, () -> lifecycle.newTenantKey("acme"));
        assertEquals(List.of(new TenantKey("acme", 1, KeyStatus.ACTIVE, true)), keys.tenantKeys());
        lifecycle.rotateTenantKey("acme");
        assertEquals(List.of(new TenantKey("acme", 1, KeyStatus.VERIFY_ONLY, true), new TenantKey("acme", 2, KeyStatus.ACTIVE, true)), keys.tenantKeys());
    }

    @Test
    void whatIsKnownOfAnEpochIsToldWithoutAPassword() throws IOException {
        KeyFolder keys = KeyFolder.openPkcs12(folder.resolve("keys"), "password".toCharArray());
        keys.lifecycle().newTenantKey("acme");
        keys.lifecycle().rotateTenantKey("acme");
        assertEquals(Optional.of(KeyStatus.VERIFY_ONLY), keys().epochStatus("acme", 1));
        assertEquals(Optional.of(KeyStatus.ACTIVE), keys().epochStatus("acme", 2));
        assertEquals(Optional.empty(), keys().epochStatus("acme", 3));
        assertEquals(Optional.empty(), keys().epochStatus("../tenants/acme", 1));
        assertEquals(Optional.empty(), keys().export().epochStatus("acme", 1));
    }
}
