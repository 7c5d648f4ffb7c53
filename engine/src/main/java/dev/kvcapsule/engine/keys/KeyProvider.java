package dev.kvcapsule.engine.keys;

import dev.kvcapsule.engine.CapsuleRefusedException;
import java.io.IOException;

/**
 * Where keys are. Private keys never leave it: it signs, and it wraps and unwraps data keys, so that a KMS or a PKCS#11 token can stand behind it.
 * Safe for use by many threads.
 */
public interface KeyProvider extends VerificationKeys {
    /**
     * Signs.
     *
     * @param kid an {@link KeyStatus#ACTIVE} key
     * @throws KeyException if it is not there or not active
     */
    byte[] sign(String kid, byte[] message) throws IOException;

    /**
     * The epoch that a tenant's new capsules are wrapped in.
     *
     * @throws KeyException if the tenant has no active key
     */
    long epoch(String tenant) throws IOException;

    /**
     * Wraps a data key.
     *
     * @param key 32 bytes
     * @param context what the result is bound to; the same must be given to unwrap it
     * @throws KeyException if the tenant has no active key of that epoch
     */
    byte[] wrap(String tenant, long epoch, byte[] key, byte[] context) throws IOException;

    /**
     * Unwraps a data key.
     *
     * @return 32 bytes, for the caller to zero
     * @throws CapsuleRefusedException if the tenant's key is revoked or gone, or the wrapped key is not whole
     */
    byte[] unwrap(String tenant, long epoch, byte[] wrapped, byte[] context) throws IOException;

    /**
     * A key that follows from the tenant's for one purpose, always the same: what names equal things alike inside a tenant, and like nothing elsewhere.
     *
     * @param purpose one key for each
     * @return 32 bytes, for the caller to zero
     * @throws KeyException if the tenant has no active key of that epoch
     */
    byte[] derive(String tenant, long epoch, String purpose) throws IOException;
}
