package dev.kvcapsule.engine.seal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.GeneralSecurityException;
import java.security.spec.AlgorithmParameterSpec;
import java.util.Arrays;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;

/**
 * The JDK's AEAD ciphers. They are given arrays, one for each direction and used again and again: on direct buffers they run at a small part of their speed
 * until they are compiled, and decryption gives out nothing before it has seen the tag anyway.
 */
final class JdkAead implements Aead {
    private static final int TAG_BYTES = 16;
    private static final int CHUNK = 32 << 10;

    private final AeadAlgorithm algorithm;
    private final Cipher cipher;
    private final ErasableKey key;
    private byte[] in = new byte[CHUNK];
    private byte[] out = new byte[CHUNK];

    JdkAead(AeadAlgorithm algorithm, byte[] key) {
        this.algorithm = algorithm;
        boolean gcm = algorithm == AeadAlgorithm.AES_256_GCM;
        this.key = new ErasableKey(gcm ? "AES" : "ChaCha20", key);
        try {
            this.cipher = Cipher.getInstance(gcm ? "AES/GCM/NoPadding" : "ChaCha20-Poly1305");
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this JDK has no " + algorithm.label(), e);
        }
    }

    private void start(int mode, byte[] nonce, byte[] associated) throws GeneralSecurityException {
        AlgorithmParameterSpec parameters = algorithm == AeadAlgorithm.AES_256_GCM ? new GCMParameterSpec(8 * TAG_BYTES, nonce) : new IvParameterSpec(nonce);
        cipher.init(mode, key, parameters);
        cipher.updateAAD(associated);
    }

    private void room(int bytes) {
        if (in.length < bytes) {
            Arrays.fill(out, (byte) 0);
            in = new byte[bytes];
            out = new byte[bytes];
        }
    }

    @Override
    public void encrypt(byte[] nonce, byte[] associated, MemorySegment bytes, MemorySegment tag) {
        int length = Math.toIntExact(bytes.byteSize());
        room(length + TAG_BYTES);
        try {
            start(Cipher.ENCRYPT_MODE, nonce, associated);
            MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, 0, in, 0, length);
            int written = 0;
            for (int at = 0; at < length; at += CHUNK) {
                written += cipher.update(in, at, Math.min(CHUNK, length - at), out, written);
            }
            cipher.doFinal(out, written);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(algorithm.label(), e);
        } finally {
            Arrays.fill(in, 0, length, (byte) 0);
        }
        MemorySegment.copy(out, 0, bytes, ValueLayout.JAVA_BYTE, 0, length);
        MemorySegment.copy(out, length, tag, ValueLayout.JAVA_BYTE, 0, TAG_BYTES);
    }

    @Override
    public boolean decrypt(byte[] nonce, byte[] associated, MemorySegment encrypted, MemorySegment tag, MemorySegment plain) {
        int length = Math.toIntExact(encrypted.byteSize());
        room(length + TAG_BYTES);
        try {
            start(Cipher.DECRYPT_MODE, nonce, associated);
            MemorySegment.copy(encrypted, ValueLayout.JAVA_BYTE, 0, in, 0, length);
            MemorySegment.copy(tag, ValueLayout.JAVA_BYTE, 0, in, length, TAG_BYTES);
            cipher.doFinal(in, 0, length + TAG_BYTES, out, 0);
            MemorySegment.copy(out, 0, plain, ValueLayout.JAVA_BYTE, 0, length);
            return true;
        } catch (AEADBadTagException e) {
            plain.fill((byte) 0);
            return false;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(algorithm.label(), e);
        } finally {
            Arrays.fill(out, 0, length, (byte) 0);
        }
    }

    @Override
    public void close() {
        key.destroy();
        Arrays.fill(in, (byte) 0);
        Arrays.fill(out, (byte) 0);
    }
}
