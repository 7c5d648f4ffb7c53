package dev.kvcapsule.engine.keys;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import javax.crypto.KDF;
import javax.crypto.spec.HKDFParameterSpec;

/** HKDF-SHA-256 (RFC 5869): keys for different purposes out of one. */
public final class Hkdf {
    private Hkdf() {}

    /**
     * Extracts and expands.
     *
     * @param key input keying material
     * @param salt may be empty
     * @param info what the result is for
     * @param bytes length of the result, at most 8,160
     */
    public static byte[] derive(byte[] key, byte[] salt, byte[] info, int bytes) {
        try {
            return KDF.getInstance("HKDF-SHA256").deriveData(HKDFParameterSpec.ofExtract().addIKM(key).addSalt(salt).thenExpand(info, bytes));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this JDK has no HKDF-SHA256", e);
        }
    }

    /** The same with a purpose in words. */
    public static byte[] derive(byte[] key, byte[] salt, String purpose, int bytes) {
        return derive(key, salt, purpose.getBytes(StandardCharsets.US_ASCII), bytes);
    }
}
