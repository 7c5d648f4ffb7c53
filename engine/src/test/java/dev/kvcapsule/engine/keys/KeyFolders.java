package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;

/** Registries to try things with. */
abstract class KeyFolders {
    static final Instant NOW = Instant.parse("2026-06-01T12:00:00Z");

    @TempDir
    Path folder;

    /** The registry, opened anew. */
    KeyFolder keys() {
        return keys("keys");
    }

    /** Another one. */
    KeyFolder keys(String name) {
        return KeyFolder.open(folder.resolve(name), null);
    }

    static VerificationKey signing(KeyFolder keys, String kid) throws IOException {
        return keys.lifecycle().newSigningKey(Optional.of(kid), KeyStatus.ACTIVE, NOW, Optional.empty());
    }

    static VerificationKey hybrid(KeyFolder keys, String kid) throws IOException {
        return keys.lifecycle().newHybridKey(Optional.of(kid), KeyStatus.ACTIVE, NOW, Optional.empty());
    }

    static KeyStatus status(KeyFolder keys, String kid) throws IOException {
        return keys.publicKey(kid).orElseThrow().status();
    }
}
