package dev.kvcapsule.openssl;

import dev.kvcapsule.engine.seal.Aead;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** EVP ciphers, where the bytes lie. The key is in the cipher's context alone, which zeroes it when it is freed. */
final class OpenSslAead implements Aead {
    private static final int TAG_BYTES = 16;
    private static final int MOST_ASSOCIATED = 256;

    private final LibCrypto library;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment context;
    private final MemorySegment nonceBytes = arena.allocate(NONCE_BYTES);
    private final MemorySegment associatedBytes = arena.allocate(MOST_ASSOCIATED);
    private final MemorySegment tagBytes = arena.allocate(TAG_BYTES);
    private final MemorySegment written = arena.allocate(ValueLayout.JAVA_INT);
    private final MemorySegment rest = arena.allocate(TAG_BYTES);

    OpenSslAead(LibCrypto library, AeadAlgorithm algorithm, byte[] key) {
        this.library = library;
        this.context = newContext();
        MemorySegment keyBytes = arena.allocate(KEY_BYTES).copyFrom(MemorySegment.ofArray(key));
        MemorySegment cipher = algorithm == AeadAlgorithm.AES_256_GCM ? library.aes256Gcm : library.chacha20Poly1305;
        boolean ready = false;
        try {
            library.init(context, cipher, keyBytes, MemorySegment.NULL, true);
            ready = true;
        } finally {
            keyBytes.fill((byte) 0);
            if (!ready) {
                close();
            }
        }
    }

    private MemorySegment newContext() {
        try {
            return library.newCipher();
        } catch (IllegalStateException e) {
            arena.close();
            throw e;
        }
    }

    private void start(byte[] nonce, byte[] associated, boolean encrypt) {
        nonceBytes.copyFrom(MemorySegment.ofArray(nonce));
        library.init(context, MemorySegment.NULL, MemorySegment.NULL, nonceBytes, encrypt);
        MemorySegment.copy(associated, 0, associatedBytes, ValueLayout.JAVA_BYTE, 0, associated.length);
        library.update(context, MemorySegment.NULL, written, associatedBytes, associated.length);
    }

    @Override
    public void encrypt(byte[] nonce, byte[] associated, MemorySegment bytes, MemorySegment tag) {
        start(nonce, associated, true);
        if (bytes.byteSize() > 0) {
            library.update(context, bytes, written, bytes, Math.toIntExact(bytes.byteSize()));
        }
        if (!library.finish(context, rest, written)) {
            throw new IllegalStateException("libcrypto: EVP_CipherFinal_ex failed");
        }
        library.getTag(context, tagBytes);
        tag.copyFrom(tagBytes);
    }

    @Override
    public boolean decrypt(byte[] nonce, byte[] associated, MemorySegment encrypted, MemorySegment tag, MemorySegment plain) {
        start(nonce, associated, false);
        tagBytes.copyFrom(tag);
        library.setTag(context, tagBytes);
        if (encrypted.byteSize() > 0) {
            library.update(context, plain, written, encrypted, Math.toIntExact(encrypted.byteSize()));
        }
        boolean holds = library.finish(context, rest, written);
        if (!holds) {
            // Unlike the JDK's ciphers, these write before they know: nobody sees it.
            plain.fill((byte) 0);
        }
        return holds;
    }

    @Override
    public void close() {
        library.freeCipher(context);
        arena.close();
    }
}
