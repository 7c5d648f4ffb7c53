package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import java.io.IOException;

/**
 * A capsule's bytes by what they are for. Every frame is read and its checksum, or the Merkle tree, verified; nothing is decrypted or decoded.
 *
 * @param manifest the manifest
 * @param trailer the trailer
 * @param tiles number of tiles
 * @param exactTiles tiles that are exact by plan: sinks and the residual window
 * @param manifestBytes payload of the manifest
 * @param blobBytes payloads of blobs
 * @param basisBytes payloads of what the codec shares between tiles
 * @param keyOnlyBytes payloads of tiles that hold K alone
 * @param valueOnlyBytes payloads of tiles that hold V alone
 * @param mixedBytes payloads of tiles that hold both
 * @param framingBytes everything else: headers, tags, index, trailer, footer
 */
public record CapsuleSummary(Manifest manifest, Trailer trailer, int tiles, int exactTiles, long manifestBytes, long blobBytes, long basisBytes, long keyOnlyBytes,
        long valueOnlyBytes, long mixedBytes, long framingBytes) {

    /** @param reader has not been read from yet */
    public static CapsuleSummary read(CapsuleReader reader) throws IOException {
        Manifest manifest = reader.manifest();
        TilePlan plan;
        try {
            plan = new TilePlan(Codecs.create(manifest.codec()), manifest.layout());
        } catch (IllegalArgumentException e) {
            throw reader.refusal(new MalformedDataException("manifest: " + e.getMessage()));
        }
        reader.expectTiles(plan.size());
        long manifestBytes = reader.position() - CapsuleLayout.FILE_HEADER_BYTES - FrameHeader.BYTES;
        long blobBytes = reader.skipBlobs();
        long basisBytes = reader.skipBasis();
        long[] byKind = new long[4];
        int exact = 0;
        for (int t = 0; t < plan.size(); t++) {
            Tile tile = plan.get(t);
            Frame frame = reader.nextTile(t, TilePlan.mostPayloadBytes(manifest.layout(), tile));
            reader.check(frame);
            byKind[kinds(manifest.layout(), tile)] += frame.payload().byteSize();
            exact += tile.exact() ? 1 : 0;
        }
        Trailer trailer = reader.finish();
        long framing = reader.position() - manifestBytes - blobBytes - basisBytes - byKind[1] - byKind[2] - byKind[3];
        return new CapsuleSummary(manifest, trailer, plan.size(), exact, manifestBytes, blobBytes, basisBytes, byKind[1], byKind[2], byKind[3], framing);
    }

    /** The same with another manifest. */
    public CapsuleSummary with(Manifest other) {
        return new CapsuleSummary(other, trailer, tiles, exactTiles, manifestBytes, blobBytes, basisBytes, keyOnlyBytes, valueOnlyBytes, mixedBytes, framingBytes);
    }

    /** This one and another part of the same cache: sums, and this one's manifest. */
    public CapsuleSummary and(CapsuleSummary part) throws MalformedDataException {
        return new CapsuleSummary(manifest, trailer.and(part.trailer), tiles + part.tiles, exactTiles + part.exactTiles, manifestBytes + part.manifestBytes,
                blobBytes + part.blobBytes, basisBytes + part.basisBytes, keyOnlyBytes + part.keyOnlyBytes, valueOnlyBytes + part.valueOnlyBytes, mixedBytes + part.mixedBytes,
                framingBytes + part.framingBytes);
    }

    /** 1 for K, 2 for V, 3 for both. */
    private static int kinds(CacheLayout layout, Tile tile) {
        int kinds = 0;
        for (int tensor = tile.firstTensor(); tensor < tile.firstTensor() + tile.tensors(); tensor++) {
            if (layout.subCaches().get(tile.subCache()).layers().get(tensor / 2).has(TilePlan.part(tensor))) {
                kinds |= 1 << TilePlan.part(tensor).ordinal();
            }
        }
        return kinds;
    }
}
