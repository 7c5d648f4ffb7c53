package dev.kvcapsule.engine.seal;

import java.time.Instant;
import java.util.Optional;

/**
 * What a chunk is to be bound to.
 *
 * @param issuer who seals it
 * @param signer name of the signing key
 * @param tenant whose wrapping key its data key goes under
 * @param org whose it is
 * @param address 32 bytes, of {@link ChunkAddresses}
 * @param model the model that made the cache
 * @param created when it is sealed
 * @param expires until when it may be used
 * @param aead how it is encrypted
 */
public record ChunkSpec(String issuer, String signer, String tenant, String org, byte[] address, Optional<ModelIdentity> model, Instant created, Instant expires,
        AeadAlgorithm aead) {
    /** @throws IllegalArgumentException if it would never be valid */
    public ChunkSpec {
        if (!expires.isAfter(created)) {
            throw new IllegalArgumentException("a chunk expires after it is made");
        }
    }
}
