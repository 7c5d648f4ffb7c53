package dev.kvcapsule.openssl;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.PublicKey;

/** Signatures of RFC 8032, pure Ed25519. */
final class OpenSslEd25519 {
    /** A SubjectPublicKeyInfo of RFC 8410 has twelve bytes that are always the same, then the key. */
    private static final int PREFIX_BYTES = 12;

    private static final int KEY_BYTES = 32;
    private static final int SIGNATURE_BYTES = 64;

    private OpenSslEd25519() {}

    /** Whether a signature holds. @param key an Ed25519 key of the JDK's */
    static boolean verify(LibCrypto library, PublicKey key, byte[] message, byte[] signature) {
        byte[] encoded = key.getEncoded();
        if (encoded.length != PREFIX_BYTES + KEY_BYTES || signature.length != SIGNATURE_BYTES) {
            return false;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment raw = arena.allocateFrom(ValueLayout.JAVA_BYTE, encoded).asSlice(PREFIX_BYTES);
            // Never of no bytes: an empty message has an address, too.
            MemorySegment text = arena.allocate(message.length + 1L);
            MemorySegment.copy(message, 0, text, ValueLayout.JAVA_BYTE, 0, message.length);
            return library.verifyEd25519(raw, text.asSlice(0, message.length), arena.allocateFrom(ValueLayout.JAVA_BYTE, signature));
        }
    }
}
