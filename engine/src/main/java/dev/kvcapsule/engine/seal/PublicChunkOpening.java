package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;

/** Looks at a chunk without being able to read it, as {@link PublicOpening} does at a capsule. Made by {@link PublicOpening#chunk}. */
public final class PublicChunkOpening implements Opening {
    private final Optional<VerificationKeys> keys;
    private final InstantSource clock;
    private final CryptoProvider crypto;
    private final ListedChunk listed;
    private final Envelope<ChunkClaims> envelope;

    PublicChunkOpening(Optional<VerificationKeys> keys, InstantSource clock, CryptoProvider crypto, ListedChunk listed) {
        this.keys = keys;
        this.clock = clock;
        this.crypto = crypto;
        this.listed = listed;
        this.envelope = Envelope.ofChunk(crypto);
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
        }
        listed.check(envelope.claims(), envelope.manifest());
        return envelope.manifest();
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
        Trailer trailer = envelope.trailer(payload, offset);
        listed.checkRoot(envelope.root(), offset);
        return trailer;
    }

    @Override
    public void accept() throws IOException {
        if (keys.isPresent()) {
            envelope.checkStillValid(keys.get(), clock.instant());
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
