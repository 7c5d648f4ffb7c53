package dev.kvcapsule.engine.seal;

import java.time.Instant;
import java.util.Optional;

/** What every signed manifest says: a capsule's, or a chunk's. */
public sealed interface Claims permits SealClaims, ChunkClaims {
    /** 16 random bytes. */
    byte[] capsuleId();

    /** From when on it is valid. */
    Instant notBefore();

    /** Until when it is valid. */
    Instant expires();

    /** The model that made the cache. */
    Optional<ModelIdentity> model();

    /** First token position, and the one after the last. */
    PositionRange positions();

    /** Whose wrapping key its data key is under. */
    String tenant();

    /** Which of the tenant's keys. */
    long epoch();

    /** How it is encrypted. */
    AeadAlgorithm aead();

    /** Its data key, as the key provider wrapped it. */
    byte[] wrappedKey();

    /** 32 bytes that only this data key gives. */
    byte[] keyCommitment();
}
