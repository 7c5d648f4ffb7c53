package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;

/** What looks at a capsule or chunk and decrypts nothing: verifies if it has public keys, and believes what is there if it has none. */
abstract class LookingOpening<C extends Claims> extends EnvelopeOpening<C> {
    final Optional<VerificationKeys> keys;
    final InstantSource clock;
    final CryptoProvider crypto;

    LookingOpening(Envelope<C> envelope, Optional<VerificationKeys> keys, InstantSource clock, CryptoProvider crypto) {
        super(envelope);
        this.keys = keys;
        this.clock = clock;
        this.crypto = crypto;
    }

    /** Checks what else the registry knows, each time that its keys are looked at. */
    void checkRegistry(VerificationKeys registry) throws IOException {
        // Nothing else.
    }

    @Override
    public Manifest manifest(MemorySegment payload, long offset) throws IOException {
        envelope.read(payload, offset);
        if (keys.isPresent()) {
            Instant now = clock.instant();
            envelope.verify(keys.get(), now);
            envelope.checkValid(keys.get(), now);
            checkRegistry(keys.get());
        }
        return envelope.manifest();
    }

    @Override
    public final FrameOpener newOpener(long lastFrame) {
        return new LeavesOnly(crypto);
    }

    @Override
    public Trailer trailer(MemorySegment payload, long offset) throws IOException {
        return envelope.trailer(payload, offset);
    }

    /** Looking at a capsule uses nothing up; but what was good when it began to arrive need not be so now. */
    @Override
    public final void accept() throws IOException {
        if (keys.isPresent()) {
            envelope.checkStillValid(keys.get(), clock.instant());
            checkRegistry(keys.get());
        }
    }

    @Override
    public final IOException refusal(MalformedDataException damage) {
        return CapsuleRefusedException.of(damage);
    }
}
