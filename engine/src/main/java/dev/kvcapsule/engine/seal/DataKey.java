package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.keys.Hkdf;
import java.security.SecureRandom;
import java.util.Arrays;

/**
 * A capsule's key, and what HKDF-SHA-256 makes of it, with the capsule's id as salt and a purpose for each: what encrypts, what nonces begin with, what the manifest
 * commits to (an AEAD alone does not bind its key), and what prefix digests start from.
 */
final class DataKey implements AutoCloseable {
    static final int BYTES = Aead.KEY_BYTES;
    static final int NONCE_PREFIX_BYTES = 7;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final byte[] key;
    private final byte[] capsuleId;

    /** @param key 32 bytes, zeroed when this is closed */
    DataKey(byte[] key, byte[] capsuleId) {
        this.key = key;
        this.capsuleId = capsuleId;
    }

    static byte[] random(int bytes) {
        byte[] random = new byte[bytes];
        RANDOM.nextBytes(random);
        return random;
    }

    byte[] bytes() {
        return key;
    }

    byte[] encryption() {
        return Hkdf.derive(key, capsuleId, "kvcapsule frames", BYTES);
    }

    byte[] noncePrefix() {
        return Hkdf.derive(key, capsuleId, "kvcapsule nonce", NONCE_PREFIX_BYTES);
    }

    byte[] commitment() {
        return Hkdf.derive(key, capsuleId, "kvcapsule commitment", BYTES);
    }

    byte[] prefixSecret() {
        return Hkdf.derive(key, capsuleId, "kvcapsule prefix", BYTES);
    }

    @Override
    public void close() {
        Arrays.fill(key, (byte) 0);
    }
}
