package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.VerificationKey;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** A registry with a key, a hybrid key and a tenant, that remembers what it has read: for tests that open a capsule many thousand times. */
final class TestKeys implements KeyProvider {
    static final Instant NOW = Instant.parse("2026-06-01T12:00:00Z");
    static final String KID = "test-key";
    static final String OTHER_KID = "other-key";
    static final String HYBRID_KID = "hybrid-key";
    static final String TENANT = "acme";

    private final KeyFolder folder;
    private final Map<String, Optional<VerificationKey>> known = new HashMap<>();
    private final Set<String> revoked = ConcurrentHashMap.newKeySet();
    private final Map<String, byte[]> unwrapped = new HashMap<>();

    TestKeys(Path path) throws IOException {
        this.folder = KeyFolder.open(path, null);
        Instant start = NOW.minusSeconds(1000);
        folder.lifecycle().newSigningKey(Optional.of(KID), KeyStatus.ACTIVE, start, Optional.empty());
        folder.lifecycle().newSigningKey(Optional.of(OTHER_KID), KeyStatus.ACTIVE, start, Optional.empty());
        folder.lifecycle().newHybridKey(Optional.of(HYBRID_KID), KeyStatus.ACTIVE, start, Optional.empty());
        folder.lifecycle().newTenantKey(TENANT);
    }

    /** From now on. @param capsule id, in hexadecimal */
    void revoked(String capsule) {
        revoked.add(capsule);
    }

    KeyFolder folder() {
        return folder;
    }

    @Override
    public synchronized Optional<VerificationKey> publicKey(String kid) throws IOException {
        Optional<VerificationKey> key = known.get(kid);
        if (key == null) {
            key = folder.publicKey(kid);
            known.put(kid, key);
        }
        return key;
    }

    @Override
    public byte[] sign(String kid, byte[] message) throws IOException {
        return folder.sign(kid, message);
    }

    @Override
    public long epoch(String tenant) throws IOException {
        return folder.epoch(tenant);
    }

    @Override
    public byte[] wrap(String tenant, long epoch, byte[] key, byte[] context) throws IOException {
        return folder.wrap(tenant, epoch, key, context);
    }

    @Override
    public synchronized byte[] unwrap(String tenant, long epoch, byte[] wrapped, byte[] context) throws IOException {
        String name = tenant + epoch + HexFormat.of().formatHex(wrapped) + Arrays.hashCode(context);
        byte[] key = unwrapped.get(name);
        if (key == null) {
            key = folder.unwrap(tenant, epoch, wrapped, context);
            unwrapped.put(name, key.clone());
            return key;
        }
        return key.clone();
    }

    @Override
    public byte[] derive(String tenant, long epoch, String purpose) throws IOException {
        return folder.derive(tenant, epoch, purpose);
    }

    @Override
    public boolean isRevoked(byte[] capsuleId) {
        return revoked.contains(HexFormat.of().formatHex(capsuleId));
    }

    @Override
    public Optional<KeyStatus> epochStatus(String tenant, long epoch) throws IOException {
        return folder.epochStatus(tenant, epoch);
    }
}
