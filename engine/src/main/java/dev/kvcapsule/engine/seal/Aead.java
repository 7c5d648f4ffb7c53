package dev.kvcapsule.engine.seal;

import java.lang.foreign.MemorySegment;

/** Encryption with a key, by one thread, on off-heap memory. */
public interface Aead extends AutoCloseable {
    /** Bytes of a nonce. */
    int NONCE_BYTES = 12;

    /** Bytes of a key. */
    int KEY_BYTES = 32;

    /**
     * Encrypts where the bytes lie.
     *
     * @param nonce 12 bytes, never used before with this key
     * @param associated what is authenticated with them
     * @param bytes plain before, encrypted after
     * @param tag takes 16 bytes
     */
    void encrypt(byte[] nonce, byte[] associated, MemorySegment bytes, MemorySegment tag);

    /**
     * Checks and decrypts.
     *
     * @param plain takes as many bytes as there are encrypted ones; zeroed if the tag does not hold
     * @return whether the tag holds
     */
    boolean decrypt(byte[] nonce, byte[] associated, MemorySegment encrypted, MemorySegment tag, MemorySegment plain);

    /** Forgets the key. */
    @Override
    void close();
}
