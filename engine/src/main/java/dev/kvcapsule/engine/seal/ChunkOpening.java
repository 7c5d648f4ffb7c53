package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.KeyProvider;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.HexFormat;

/**
 * Opens one chunk for the capsule that goes on from it, or refuses it: it must be the very one that the capsule's signed manifest names, by address, id and Merkle root, of the same
 * organisation, tenant, model, structure and positions, signed by a key that is good now, and valid now. Made by {@link CapsuleOpening#chunk}.
 */
public final class ChunkOpening implements Opening {
    private final KeyProvider keys;
    private final RestorePolicy policy;
    private final SealClaims owner;
    private final Manifest ownerManifest;
    private final ChunkRef wanted;
    private final long firstToken;
    private final Envelope<ChunkClaims> envelope;
    private final OpenedKeys opened;

    ChunkOpening(KeyProvider keys, RestorePolicy policy, SealClaims owner, Manifest ownerManifest, int index) {
        CryptoProvider crypto = CryptoProvider.best();
        this.keys = keys;
        this.policy = policy;
        this.owner = owner;
        this.ownerManifest = ownerManifest;
        this.wanted = owner.chunks().get(index);
        this.firstToken = owner.chunks().subList(0, index).stream().mapToLong(ChunkRef::tokens).sum();
        this.envelope = Envelope.ofChunk(crypto);
        this.opened = new OpenedKeys(keys, crypto);
    }

    /** Position of the chunk's first token. */
    public long firstToken() {
        return firstToken;
    }

    @Override
    public Manifest manifest(MemorySegment payload, long offset) throws IOException {
        try {
            Instant now = policy.clock().instant();
            envelope.read(payload, offset);
            checkOwner();
            envelope.verify(keys, now);
            envelope.checkValid(keys, now);
            checkIdentity();
            checkContents();
            opened.open(envelope.claims());
            return envelope.manifest();
        } catch (MalformedDataException e) {
            throw refusal(e);
        } catch (CapsuleRefusedException e) {
            if (e.code() != RefusalCode.NOT_FOUND) {
                policy.log().refused(e.code(), e.getMessage());
            }
            throw e;
        }
    }

    /** Another organisation's is not there, as far as callers can tell. */
    private void checkOwner() throws CapsuleRefusedException {
        if (!envelope.claims().org().equals(owner.scope().org()) || !envelope.claims().tenant().equals(owner.tenant())) {
            policy.log().refused(RefusalCode.WRONG_ORG, "chunk " + HexFormat.of().formatHex(envelope.claims().capsuleId()) + " is another organisation's");
            throw CapsuleRefusedException.notFound();
        }
    }

    private void checkIdentity() throws CapsuleRefusedException {
        ChunkClaims claims = envelope.claims();
        if (!MessageDigest.isEqual(claims.address(), HexFormat.of().parseHex(wanted.address()))
                || !MessageDigest.isEqual(claims.capsuleId(), HexFormat.of().parseHex(wanted.id()))) {
            throw new CapsuleRefusedException(RefusalCode.DAMAGED, "another chunk is where the one of tokens " + firstToken + " to " + (firstToken + wanted.tokens()) + " belongs");
        }
    }

    private void checkContents() throws CapsuleRefusedException {
        ChunkClaims claims = envelope.claims();
        Manifest manifest = envelope.manifest();
        if (!claims.model().equals(owner.model())) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_MODEL, "a chunk was made with another model than the capsule that goes on from it");
        }
        boolean sameStructure = manifest.layout().blobs().isEmpty() && manifest.layout().subCaches().size() == ownerManifest.layout().subCaches().size();
        for (int s = 0; sameStructure && s < manifest.layout().subCaches().size(); s++) {
            SubCache mine = manifest.layout().subCaches().get(s);
            SubCache its = ownerManifest.layout().subCaches().get(s);
            sameStructure = mine.name().equals(its.name()) && mine.layers().equals(its.layers());
            long[] runs = mine.positions().runs();
            if (runs.length != 2 || runs[0] != firstToken || runs[1] != wanted.tokens()) {
                throw new CapsuleRefusedException(RefusalCode.WRONG_POSITIONS, "a chunk holds other positions than " + firstToken + " to " + (firstToken + wanted.tokens()));
            }
        }
        if (!sameStructure) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_STRUCTURE, "a chunk has another structure than the capsule that goes on from it");
        }
        if (!claims.positions().equals(PositionRange.of(manifest.layout()))) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_POSITIONS, "a chunk says other positions than its cache has");
        }
    }

    @Override
    public boolean isSealed() {
        return true;
    }

    @Override
    public FrameOpener newOpener(long lastFrame) {
        return opened.newOpener(envelope, lastFrame, policy.log());
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
        if (!MessageDigest.isEqual(envelope.root(), HexFormat.of().parseHex(wanted.root()))) {
            throw MalformedDataException.at(offset, "trailer", "the chunk is signed, and is not the one that the capsule goes on from");
        }
        return trailer;
    }

    /** Its time and its keys are looked at once more; that it was wanted the capsule that names it decides. */
    @Override
    public void accept() throws IOException {
        envelope.checkStillValid(keys, policy.clock().instant());
    }

    @Override
    public IOException refusal(MalformedDataException damage) {
        CapsuleRefusedException refused = CapsuleRefusedException.of(damage);
        policy.log().refused(refused.code(), refused.getMessage());
        return refused;
    }

    @Override
    public void close() {
        envelope.close();
        opened.close();
    }
}
