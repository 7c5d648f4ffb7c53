package dev.kvcapsule.engine.keys;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeyFolderTest {
    private static final Instant NOW = Instant.parse("2026-06-01T12:00:00Z");

    @TempDir
    private Path folder;

    private KeyFolder keys() {
        return KeyFolder.open(folder.resolve("keys"), null);
    }

    private static VerificationKey signing(KeyFolder keys, String kid) throws IOException {
        return keys.newSigningKey(Optional.of(kid), KeyStatus.ACTIVE, NOW, Optional.empty());
    }

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
        assertThrows(KeyException.class, () -> keys.revokeEpoch("nobody", 1, true));
        assertThrows(KeyException.class, () -> keys.revokeKey("nothing"));
        assertEquals(List.of(first), keys.signingKeys());
        KeyFolder other = KeyFolder.open(folder.resolve("other"), null);
        signing(other, "first");
        signing(other, "second");
        assertThrows(KeyException.class, () -> keys.importKeys(other.export()));
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
        keys.newTenantKey("acme");
        keys.newTenantKey("evil");
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
        keys.newTenantKey("acme");
        byte[] wrapped = keys.wrap("acme", 1, new byte[32], new byte[0]);
        keys.revokeEpoch("acme", 1, true);
        assertThrows(IOException.class, () -> keys.unwrap("acme", 1, wrapped, new byte[0]));
        try (var files = Files.walk(folder)) {
            assertTrue(files.noneMatch(file -> file.getFileName().toString().startsWith("tenant.acme")));
        }
        assertEquals(2, keys.newTenantKey("acme").epoch(), "an epoch is never used twice");
    }

    @Test
    void keySetsCarryPublicKeysStatesAndRevocations() throws IOException {
        KeyFolder keys = keys();
        signing(keys, "first");
        keys.newHybridKey(Optional.of("both"), KeyStatus.ACTIVE, NOW, Optional.of(NOW.plusSeconds(99)));
        keys.revokeKey("first");
        keys.revokeCapsule(new byte[16]);
        Path file = Files.writeString(folder.resolve("set"), keys.export().toJson());
        Jwks set = Jwks.read(file);
        assertEquals(keys.signingKeys(), set.keys());
        assertTrue(set.isRevoked(new byte[16]));
        assertEquals(Set.of("00".repeat(16)), set.revokedCapsules());
        KeyFolder verifier = KeyFolder.open(folder.resolve("verifier"), null);
        assertEquals(3, verifier.importKeys(set));
        assertEquals(KeyStatus.REVOKED, verifier.publicKey("first").orElseThrow().status());
        assertEquals(KeyStatus.VERIFY_ONLY, verifier.publicKey("both").orElseThrow().status());
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
        keys.newSigningKey(Optional.of("next"), KeyStatus.VERIFY_ONLY, NOW.plusSeconds(1), Optional.empty());
        assertEquals("old", keys.defaultSigner(NOW.plusSeconds(5)).orElseThrow().kid());
        assertThrows(KeyException.class, () -> keys.sign("next", new byte[1]));
        assertEquals("next", keys.rotate("old", Optional.of("next"), NOW).kid());
        assertEquals("next", keys.defaultSigner(NOW.plusSeconds(5)).orElseThrow().kid());
        assertEquals(KeyStatus.VERIFY_ONLY, keys.publicKey("old").orElseThrow().status());
        keys.revokeKey("old");
        assertThrows(KeyException.class, () -> keys.rotate("next", Optional.of("old"), NOW));
    }

    @Test
    void generationsAreEachGivenOnceToManyThreads() {
        Path marks = folder.resolve("marks");
        GenerationStore.Session session = new GenerationStore.Session("acme", "ann", "s");
        ConcurrentSkipListSet<Long> given = new ConcurrentSkipListSet<>();
        IntStream.range(0, 60).parallel().forEach(i -> {
            try {
                assertTrue(given.add(new GenerationFolder(marks).next(session)));
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        assertEquals(60L, given.last());
    }

    @Test
    void generationsOnlyRiseAndSessionsAreApart() throws IOException {
        GenerationFolder marks = new GenerationFolder(folder.resolve("marks"));
        GenerationStore.Session one = new GenerationStore.Session("acme", "ann", "s");
        GenerationStore.Session two = new GenerationStore.Session("acme", "anns", "");
        assertEquals(5, marks.raise(one, 5));
        assertEquals(5, marks.raise(one, 3), "somebody else was faster");
        assertEquals(5, marks.highest(one));
        assertEquals(0, marks.highest(two));
        assertEquals(6, marks.next(one));
        try (var files = Files.list(folder.resolve("marks"))) {
            for (Path file : files.filter(path -> !path.getFileName().toString().equals(".lock")).toList()) {
                Files.writeString(file, "many");
            }
        }
        assertThrows(IOException.class, () -> marks.highest(one));
    }

    @Test
    void aMarkHoldsEveryGenerationThatACapsuleCanHave() throws IOException {
        GenerationFolder marks = new GenerationFolder(folder.resolve("high"));
        GenerationStore.Session session = new GenerationStore.Session("acme", "ann", "s");
        assertEquals(1_790_000_000_000_000_000L, marks.raise(session, 1_790_000_000_000_000_000L));
        assertEquals(1_790_000_000_000_000_001L, marks.next(session));
        assertEquals(Long.MAX_VALUE, marks.raise(session, Long.MAX_VALUE));
        assertEquals(Long.MAX_VALUE, marks.highest(session));
    }
}
