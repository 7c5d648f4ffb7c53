package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.format.Manifest;
import java.security.MessageDigest;
import java.util.HexFormat;

/**
 * What the signed manifest of a capsule says of one of the chunks that it goes on from; nothing else is taken for that chunk.
 *
 * @param owner of the capsule
 * @param ownerManifest of the capsule
 * @param index of the chunk in the capsule's list
 */
record ListedChunk(SealClaims owner, Manifest ownerManifest, int index) {
    private ChunkRef wanted() {
        return owner.chunks().get(index);
    }

    /** Checks that a signed manifest is that chunk's: address, id, model, structure and positions. */
    void check(ChunkClaims claims, Manifest manifest) throws CapsuleRefusedException {
        checkIdentity(claims);
        checkContents(claims, manifest);
    }

    private void checkIdentity(ChunkClaims claims) throws CapsuleRefusedException {
        if (!MessageDigest.isEqual(claims.address(), HexFormat.of().parseHex(wanted().address()))
                || !MessageDigest.isEqual(claims.capsuleId(), HexFormat.of().parseHex(wanted().id()))) {
            throw new CapsuleRefusedException(RefusalCode.DAMAGED, "another chunk is where the one of tokens " + range() + " belongs");
        }
    }

    private void checkContents(ChunkClaims claims, Manifest manifest) throws CapsuleRefusedException {
        if (!claims.model().equals(owner.model())) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_MODEL, "a chunk was made with another model than the capsule that goes on from it");
        }
        boolean sameStructure = manifest.layout().blobs().isEmpty() && manifest.layout().subCaches().size() == ownerManifest.layout().subCaches().size();
        for (int s = 0; sameStructure && s < manifest.layout().subCaches().size(); s++) {
            SubCache mine = manifest.layout().subCaches().get(s);
            SubCache its = ownerManifest.layout().subCaches().get(s);
            sameStructure = mine.name().equals(its.name()) && mine.layers().equals(its.layers());
            long[] runs = mine.positions().runs();
            if (runs.length != 2 || runs[0] != owner.firstToken(index) || runs[1] != wanted().tokens()) {
                throw new CapsuleRefusedException(RefusalCode.WRONG_POSITIONS, "a chunk holds other positions than " + range());
            }
        }
        if (!sameStructure) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_STRUCTURE, "a chunk has another structure than the capsule that goes on from it");
        }
        if (!claims.positions().equals(PositionRange.of(manifest.layout()))) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_POSITIONS, "a chunk says other positions than its cache has");
        }
    }

    /** Checks that what has been read to its end, signed as it may be, is the chunk that was meant. */
    void checkRoot(byte[] root, long offset) throws MalformedDataException {
        if (!MessageDigest.isEqual(root, HexFormat.of().parseHex(wanted().root()))) {
            throw MalformedDataException.at(offset, "trailer", "the chunk is signed, and is not the one that the capsule goes on from");
        }
    }

    private String range() {
        return owner.firstToken(index) + " to " + (owner.firstToken(index) + wanted().tokens());
    }
}
