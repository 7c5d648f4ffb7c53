package dev.kvcapsule.engine.seal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.keys.KeyException;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyStatus;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileSignatureTest {
    private static final Instant NOW = Instant.parse("2026-06-01T12:00:00Z");
    private static final byte[] DIGEST = new byte[32];

    @TempDir
    private Path folder;
    private KeyFolder keys;

    @BeforeEach
    void makeKeys() throws IOException {
        keys = KeyFolder.open(folder.resolve("keys"), null);
        keys.lifecycle().newSigningKey(Optional.of("one"), KeyStatus.ACTIVE, NOW, Optional.of(NOW.plusSeconds(3600)));
        keys.lifecycle().newHybridKey(Optional.of("two"), KeyStatus.ACTIVE, NOW, Optional.empty());
        DIGEST[3] = 7;
    }

    private static RefusalCode refusal(byte[] signature, byte[] digest, KeyFolder keys, Instant now) {
        return assertThrows(CapsuleRefusedException.class, () -> FileSignature.verify(signature, digest, keys, now)).code();
    }

    @Test
    void oneKeyOrAPairVouchesForADigest() throws IOException {
        assertEquals(List.of("one"), FileSignature.verify(FileSignature.sign(DIGEST, "one", keys, NOW), DIGEST, keys, NOW));
        assertEquals(2, FileSignature.verify(FileSignature.sign(DIGEST, "two", keys, NOW), DIGEST, keys, NOW).size());
    }

    @Test
    void itIsOfThatFileAndOfGoodKeysOnly() throws IOException {
        byte[] signature = FileSignature.sign(DIGEST, "one", keys, NOW);
        byte[] other = DIGEST.clone();
        other[31] ^= 1;
        assertEquals(RefusalCode.SIGNATURE, refusal(signature, other, keys, NOW));
        assertEquals(RefusalCode.KEY_NOT_VALID, refusal(signature, DIGEST, keys, NOW.plusSeconds(3600)));
        assertEquals(RefusalCode.UNKNOWN_KEY, refusal(signature, DIGEST, KeyFolder.open(folder.resolve("others"), null), NOW));
        keys.lifecycle().revokeKey("one");
        assertEquals(RefusalCode.REVOKED, refusal(signature, DIGEST, keys, NOW));
    }

    @Test
    void noFlippedBitAndNoOtherLengthHolds() throws IOException {
        for (String kid : List.of("one", "two")) {
            byte[] signature = FileSignature.sign(DIGEST, kid, keys, NOW);
            for (int at = 0; at < signature.length; at++) {
                byte[] changed = signature.clone();
                changed[at] ^= (byte) (1 << at % 8);
                assertThrows(IOException.class, () -> FileSignature.verify(changed, DIGEST, keys, NOW), "byte " + at);
            }
            for (int length : new int[] {0, 1, 40, signature.length - 1, signature.length + 1}) {
                assertThrows(MalformedDataException.class, () -> FileSignature.verify(Arrays.copyOf(signature, length), DIGEST, keys, NOW));
            }
        }
    }

    @Test
    void keysThatMayNotSignDoNot() {
        assertThrows(KeyException.class, () -> FileSignature.sign(DIGEST, "nobody", keys, NOW));
        assertThrows(KeyException.class, () -> FileSignature.sign(DIGEST, "one", keys, NOW.plusSeconds(3600)));
    }
}
