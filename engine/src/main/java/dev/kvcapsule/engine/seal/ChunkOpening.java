package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.KeyProvider;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.HexFormat;

/**
 * Opens one chunk for the capsule that goes on from it, or refuses it: it must be the very one that the capsule's signed manifest names, by address, id and Merkle root, of the same
 * organisation, tenant, model, structure and positions, signed by a key that is good now, and valid now. Made by {@link CapsuleOpening#chunk}.
 */
public final class ChunkOpening extends KeyedOpening<ChunkClaims> {
    private final SealClaims owner;
    private final ListedChunk listed;

    ChunkOpening(KeyProvider keys, RestorePolicy policy, SealClaims owner, Manifest ownerManifest, int index, CryptoProvider crypto) {
        super(Envelope.ofChunk(crypto), keys, policy, crypto);
        this.owner = owner;
        this.listed = new ListedChunk(owner, ownerManifest, index);
    }

    @Override
    public Manifest manifest(MemorySegment payload, long offset) throws IOException {
        try {
            return logged(() -> {
                Instant now = policy.clock().instant();
                envelope.read(payload, offset);
                checkOwner();
                envelope.verify(keys, now);
                envelope.checkValid(keys, now);
                listed.check(envelope.claims(), envelope.manifest());
                opened.open(envelope.claims());
                return envelope.manifest();
            });
        } catch (MalformedDataException e) {
            throw refusal(e);
        }
    }

    /** Another organisation's is not there, as far as callers can tell. */
    private void checkOwner() throws CapsuleRefusedException {
        if (!envelope.claims().org().equals(owner.scope().org()) || !envelope.claims().tenant().equals(owner.tenant())) {
            policy.log().refused(RefusalCode.WRONG_ORG, "chunk " + HexFormat.of().formatHex(envelope.claims().capsuleId()) + " is another organisation's");
            throw CapsuleRefusedException.notFound();
        }
    }

    @Override
    public Trailer trailer(MemorySegment payload, long offset) throws IOException {
        Trailer trailer = envelope.trailer(payload, offset);
        listed.checkRoot(envelope.root(), offset);
        return trailer;
    }

    /** Its time and its keys are looked at once more; that it was wanted the capsule that names it decides. */
    @Override
    public void accept() throws IOException {
        envelope.checkStillValid(keys, policy.clock().instant());
    }
}
