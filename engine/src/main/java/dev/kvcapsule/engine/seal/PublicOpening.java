package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;

/**
 * Looks at a sealed capsule without being able to read it: with public keys it verifies signatures, revocation, time and the Merkle root over every byte; with none it only
 * shows what the capsule says. Decrypts nothing.
 */
public final class PublicOpening implements Opening {
    private final Optional<VerificationKeys> keys;
    private final InstantSource clock;
    private final CryptoProvider crypto = CryptoProvider.best();
    private final Envelope<SealClaims> envelope = Envelope.ofCapsule(crypto);

    private PublicOpening(Optional<VerificationKeys> keys, InstantSource clock) {
        this.keys = keys;
        this.clock = clock;
    }

    /** Verifies with those keys, at that time. */
    public static PublicOpening verifying(VerificationKeys keys, InstantSource clock) {
        return new PublicOpening(Optional.of(keys), clock);
    }

    /** Believes what is there: to show it, and for nothing else. */
    public static PublicOpening showing() {
        return new PublicOpening(Optional.empty(), InstantSource.system());
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
    public boolean isSealed() {
        return true;
    }

    @Override
    public Manifest manifest(MemorySegment payload, long offset) throws IOException {
        envelope.read(payload, offset);
        if (keys.isPresent()) {
            Instant now = clock.instant();
            envelope.verify(keys.get(), now);
            envelope.checkValid(keys.get(), now);
            checkEpoch();
        }
        return envelope.manifest();
    }

    private void checkEpoch() throws IOException {
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

    @Override
    public FrameOpener newOpener(long lastFrame) {
        return new LeavesOnly(crypto);
    }

    @Override
    public void checked(byte[] leaf) {
        envelope.checked(leaf);
    }

    @Override
    public void clear(Frame frame) {
        envelope.clear(frame);
    }

    @Override
    public Trailer trailer(MemorySegment payload, long offset) throws IOException {
        return envelope.trailer(payload, offset);
    }

    @Override
    public void accept() throws IOException {
        // Looking at a capsule uses nothing up; but what was good when it began to arrive need not be so now.
        if (keys.isPresent()) {
            envelope.checkStillValid(keys.get(), clock.instant());
            checkEpoch();
        }
    }

    @Override
    public IOException refusal(MalformedDataException damage) {
        return CapsuleRefusedException.of(damage);
    }

    @Override
    public void close() {
        envelope.close();
    }
}
