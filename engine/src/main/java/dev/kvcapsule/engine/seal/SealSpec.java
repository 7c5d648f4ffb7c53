package dev.kvcapsule.engine.seal;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * What a capsule is to be bound to.
 *
 * @param issuer who seals it
 * @param signer name of the signing key; one with a pair signs together with it
 * @param tenant whose wrapping key its data key goes under
 * @param scope whose it is
 * @param created when it is sealed
 * @param notBefore from when on it may be used
 * @param lifetime how long from then, at least a second
 * @param generation number of the state within its session; 0 if it has none
 * @param model the model that made the cache
 * @param runtime the program it is for
 * @param tokens the tokens whose cache it is
 * @param aead how it is encrypted
 */
public record SealSpec(String issuer, String signer, String tenant, Scope scope, Instant created, Instant notBefore, Duration lifetime, long generation,
        Optional<ModelIdentity> model, Optional<RuntimeRange> runtime, Optional<int[]> tokens, AeadAlgorithm aead) {
    /** Seven days. */
    public static final Duration DEFAULT_LIFETIME = Duration.ofDays(7);

    /** @throws IllegalArgumentException if it would never be valid */
    public SealSpec {
        if (lifetime.getSeconds() < 1 || generation < 0) {
            throw new IllegalArgumentException("a capsule lives for at least a second, and its generation is not negative");
        }
    }

    /** Valid from now on, AES-256-GCM, bound to no model, runtime or tokens. */
    public static SealSpec of(String issuer, String signer, String tenant, Scope scope, Instant now) {
        return new SealSpec(issuer, signer, tenant, scope, now, now, DEFAULT_LIFETIME, 0, Optional.empty(), Optional.empty(), Optional.empty(), AeadAlgorithm.AES_256_GCM);
    }

    /** Until when the capsule may be used. */
    public Instant expires() {
        return notBefore.plus(lifetime);
    }

    /** The same with the model that made the cache. */
    public SealSpec withModel(ModelIdentity made) {
        return new SealSpec(issuer, signer, tenant, scope, created, notBefore, lifetime, generation, Optional.of(made), runtime, tokens, aead);
    }

    /** The same as that generation of its session. */
    public SealSpec withGeneration(long number) {
        return new SealSpec(issuer, signer, tenant, scope, created, notBefore, lifetime, number, model, runtime, tokens, aead);
    }

    /** The same with the tokens whose cache it is. */
    public SealSpec withTokens(int[] ids) {
        return new SealSpec(issuer, signer, tenant, scope, created, notBefore, lifetime, generation, model, runtime, Optional.of(ids), aead);
    }
}
