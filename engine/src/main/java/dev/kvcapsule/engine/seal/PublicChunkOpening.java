package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.InstantSource;
import java.util.Optional;

/** Looks at a chunk without being able to read it, as {@link PublicOpening} does at a capsule. Made by {@link PublicOpening#chunk}. */
public final class PublicChunkOpening extends LookingOpening<ChunkClaims> {
    private final ListedChunk listed;

    PublicChunkOpening(Optional<VerificationKeys> keys, InstantSource clock, CryptoProvider crypto, ListedChunk listed) {
        super(Envelope.ofChunk(crypto), keys, clock, crypto);
        this.listed = listed;
    }

    @Override
    public Manifest manifest(MemorySegment payload, long offset) throws IOException {
        Manifest manifest = super.manifest(payload, offset);
        listed.check(envelope.claims(), manifest);
        return manifest;
    }

    @Override
    public Trailer trailer(MemorySegment payload, long offset) throws IOException {
        Trailer trailer = super.trailer(payload, offset);
        listed.checkRoot(envelope.root(), offset);
        return trailer;
    }
}
