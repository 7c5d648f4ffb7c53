package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;

/**
 * Looks at a sealed capsule without being able to read it: with public keys it verifies signatures, revocation, time and the Merkle root over every byte; with none it only
 * shows what the capsule says. Decrypts nothing.
 */
public final class PublicOpening extends LookingOpening<SealClaims> {
    private PublicOpening(Optional<VerificationKeys> keys, InstantSource clock, CryptoProvider crypto) {
        super(Envelope.ofCapsule(crypto), keys, clock, crypto);
    }

    /** Verifies with those keys, at that time. */
    public static PublicOpening verifying(VerificationKeys keys, InstantSource clock) {
        return new PublicOpening(Optional.of(keys), clock, CryptoProvider.best());
    }

    /** Believes what is there: to show it, and for nothing else. */
    public static PublicOpening showing() {
        return new PublicOpening(Optional.empty(), InstantSource.system(), CryptoProvider.best());
    }

    /** What the capsule is bound to; known once its manifest has been read. */
    public SealClaims claims() {
        return envelope.claims();
    }

    /** Names of the keys that it says it is signed with. */
    public List<String> kids() {
        return envelope.kids();
    }

    @Override
    void checkRegistry(VerificationKeys registry) throws IOException {
        if (epochStatus().equals(Optional.of(KeyStatus.REVOKED))) {
            throw new CapsuleRefusedException(RefusalCode.REVOKED, "the tenant's epoch " + claims().epoch() + " has been revoked");
        }
    }

    /**
     * What looks at one of the chunks that the capsule goes on from, in the same way: it must be the very one that is listed.
     *
     * @param index in the list of {@link SealClaims#chunks}
     */
    public PublicChunkOpening chunk(int index) {
        envelope.requireOpen();
        return new PublicChunkOpening(keys, clock, crypto, new ListedChunk(claims(), envelope.manifest(), index));
    }

    /** What the registry knows of the tenant's key that the data key is under; empty if it knows nothing, as key sets do. */
    public Optional<KeyStatus> epochStatus() throws IOException {
        return keys.isPresent() ? keys.get().epochStatus(claims().tenant(), claims().epoch()) : Optional.empty();
    }
}
