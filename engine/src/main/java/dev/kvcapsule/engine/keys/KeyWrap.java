package dev.kvcapsule.engine.keys;

import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * Wraps data keys under a tenant's key: AES-256-GCM (NIST SP 800-38D) under a key that HKDF makes of the tenant's key for this context alone, with the context as
 * associated data. Layout: nonce (12), encrypted key (32), tag (16).
 */
final class KeyWrap {
    /** Bytes of a wrapped key. */
    static final int WRAPPED_BYTES = 60;

    private static final int KEY_BYTES = 32;
    private static final int NONCE_BYTES = 12;
    private static final int TAG_BITS = 128;
    private static final String PURPOSE = "kvcapsule wrap";
    private static final SecureRandom RANDOM = new SecureRandom();

    private KeyWrap() {}

    static byte[] wrap(byte[] tenantKey, byte[] key, byte[] context) {
        byte[] nonce = new byte[NONCE_BYTES];
        RANDOM.nextBytes(nonce);
        byte[] wrapped = Arrays.copyOf(nonce, WRAPPED_BYTES);
        try {
            run(Cipher.ENCRYPT_MODE, tenantKey, context, nonce, key, 0, KEY_BYTES, wrapped, NONCE_BYTES);
            return wrapped;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("AES-GCM", e);
        }
    }

    /** @return null if it does not open */
    static byte[] unwrap(byte[] tenantKey, byte[] wrapped, byte[] context) {
        if (wrapped.length != WRAPPED_BYTES) {
            return null;
        }
        byte[] key = new byte[KEY_BYTES];
        try {
            run(Cipher.DECRYPT_MODE, tenantKey, context, Arrays.copyOf(wrapped, NONCE_BYTES), wrapped, NONCE_BYTES, WRAPPED_BYTES - NONCE_BYTES, key, 0);
            return key;
        } catch (AEADBadTagException e) {
            return null;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("AES-GCM", e);
        }
    }

    private static void run(int mode, byte[] tenantKey, byte[] context, byte[] nonce, byte[] in, int offset, int length, byte[] out, int outOffset)
            throws GeneralSecurityException {
        byte[] kek = Hkdf.derive(tenantKey, context, PURPOSE, KEY_BYTES);
        try {
            Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
            cipher.init(mode, new SecretKeySpec(kek, "AES"), new GCMParameterSpec(TAG_BITS, nonce));
            cipher.updateAAD(context);
            cipher.doFinal(in, offset, length, out, outOffset);
        } finally {
            Arrays.fill(kek, (byte) 0);
        }
    }
}
