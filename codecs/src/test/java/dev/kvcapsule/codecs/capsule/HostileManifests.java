package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Capsules of a few hundred bytes to a few megabytes whose manifests claim gigabytes. Run with little memory: each must be refused, mapped and
 * streamed, whichever way it is read.
 */
final class HostileManifests {
    private static final int MOST = Integer.MAX_VALUE;

    private HostileManifests() {}

    private static LayerLayout layer(int width, DType type) {
        return new LayerLayout(0, 1, width, width, type, type, Optional.empty(), 0);
    }

    private static SubCache sub(Positions positions, List<LayerLayout> layers) {
        return new SubCache("kv", positions, TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, layers);
    }

    private static CacheLayout layout(Positions positions, List<LayerLayout> layers) {
        return new CacheLayout(MOST, List.of(sub(positions, layers)), List.of(), Map.of());
    }

    private static CacheLayout blobs(long bytes, int count) {
        return new CacheLayout(5, List.of(), Collections.nCopies(count, new CacheLayout.Blob("state", bytes)), Map.of());
    }

    private static Map<String, CacheLayout> layouts() {
        Positions most = Positions.sequential(MOST);
        Map<String, CacheLayout> layouts = new LinkedHashMap<>();
        layouts.put("2^31-1 tokens of one channel", layout(most, List.of(layer(1, DType.F8_E4M3))));
        layouts.put("2^31-1 tokens of 65536 channels", layout(most, List.of(layer(1 << 16, DType.F32))));
        layouts.put("10,000 layers", layout(most, Collections.nCopies(10_000, layer(1 << 16, DType.F32))));
        layouts.put("one token of 10,000 wide layers", layout(Positions.sequential(1), Collections.nCopies(10_000, layer(1 << 16, DType.F32))));
        layouts.put("128 tokens of 65536 channels", layout(Positions.sequential(128), List.of(layer(1 << 16, DType.F32))));
        layouts.put("a blob of 2^60 bytes", blobs(1L << 60, 1));
        layouts.put("a thousand blobs of 2^50 bytes", blobs(1L << 50, 1000));
        layouts.put("a blob of 2^31 bytes", blobs(1L << 31, 1));
        return layouts;
    }

    /** Wrapped-around positions, which make a reader sort cells: too many to be written by this program. */
    private static List<byte[]> unsorted(byte[] wrapped) {
        List<byte[]> manifests = new ArrayList<>();
        // "positions": [5, 3, 0, 5] becomes two runs of 2^29 and 2^30 cells: heads of 5 bytes instead of 1.
        String hex = java.util.HexFormat.of().formatHex(wrapped);
        String from = "69706f736974696f6e7384" + "05030005";
        if (!hex.contains(from)) {
            throw new AssertionError("no positions in " + hex);
        }
        manifests.add(java.util.HexFormat.of().parseHex(hex.replace(from, "69706f736974696f6e7384" + "1a20000000" + "1a20000000" + "00" + "1a20000000")));
        // As many as are allowed.
        manifests.add(java.util.HexFormat.of().parseHex(hex.replace(from, "69706f736974696f6e7384" + "1a00200000" + "1a00200000" + "00" + "1a00200000")));
        return manifests;
    }

    /** @param basisBytes what the donor has: a basis of another cache, where the codec has one */
    private static List<byte[]> manifests(String codec, long basisBytes) {
        CodecSpec spec = Codecs.create(codec).spec();
        List<byte[]> manifests = new ArrayList<>();
        layouts().values().forEach(layout -> manifests.add(new Manifest(spec, layout, basisBytes).toBytes()));
        CacheLayout wrapped = layout(Positions.of(new int[] {5, 6, 7, 0, 1, 2, 3, 4}), List.of(layer(8, DType.F16)));
        manifests.addAll(unsorted(new Manifest(spec, wrapped, basisBytes).toBytes()));
        manifests.addAll(unsorted(new Manifest(spec, layout(Positions.of(new int[] {5, 6, 7, 0, 1, 2, 3, 4}), List.of()), basisBytes).toBytes()));
        return manifests;
    }

    public static void main(String[] args) throws IOException {
        for (String codec : List.of("raw", "lossless", "fp8", "kivi:residual=1048576", "rotated:sink=1024", "klt:step=1,group=1", "klt:step=1,group=all,sink=1024",
                "cachegen", "svd:rank=4096")) {
            byte[] donor;
            try (Arena arena = Arena.ofShared()) {
                KvCache small = TestCaches.small(arena);
                donor = Capsules.encode(small, codec);
            }
            long basisBytes = Manifest.parse(java.nio.ByteBuffer.wrap(CapsuleForge.take(donor).getFirst().payload), 0).basisBytes();
            for (byte[] manifest : manifests(codec, basisBytes)) {
                boolean empty = isEmpty(manifest) && basisBytes == 0;
                List<CapsuleForge.Piece> pieces = CapsuleForge.take(donor);
                pieces.getFirst().payload = manifest;
                attempt(CapsuleForge.make(pieces), codec, empty);
                // Without any tile or blob, and with a tile that is one constant stream after another.
                pieces.removeIf(piece -> piece.is(FrameType.TILE) || piece.is(FrameType.BLOB));
                attempt(CapsuleForge.make(pieces), codec, empty);
                byte[] constants = new byte[1 + 6 * 64];
                for (int i = 0; i < 64; i++) {
                    constants[1 + 6 * i] = 1;
                    constants[2 + 6 * i] = 1;
                }
                int bases = (int) pieces.stream().filter(piece -> piece.is(FrameType.BASIS)).count();
                // As many as are read ahead, so that the first one is worked on before the next is missed.
                for (int tile = 0; tile < 4; tile++) {
                    pieces.add(1 + bases + tile, new CapsuleForge.Piece(FrameType.TILE, tile, 0, constants));
                }
                attempt(CapsuleForge.make(pieces), codec, empty);
            }
        }
        System.out.println("all refused");
    }

    private static void attempt(byte[] capsule, String codec, boolean empty) throws IOException {
        long start = System.nanoTime();
        refused(() -> Capsules.drain(CapsuleReader.of(Capsules.channel(capsule)), Capsules.ONE_THREAD), codec, empty);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = Capsules.mapped(capsule, arena);
            refused(() -> Capsules.drain(CapsuleReader.of(memory), Capsules.ONE_THREAD), codec, empty);
            // Nothing is decoded here: frames that hold together are all that is asked.
            refused(() -> CapsuleSummary.read(CapsuleReader.of(memory)), codec, true);
            refused(() -> {
                CapsuleReader reader = CapsuleReader.of(memory);
                CapsuleDecoder decoder = new CapsuleDecoder(reader);
                reader.blobs(arena);
                decoder.decodePrefix(Capsules.drain(reader.manifest().layout()), Capsules.ONE_THREAD);
                decoder.verify(Capsules.ONE_THREAD);
            }, codec, empty);
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        if (seconds > 10) {
            throw new AssertionError(codec + ": took " + seconds + " s");
        }
    }

    private static boolean isEmpty(byte[] manifest) {
        try {
            CacheLayout layout = Manifest.parse(java.nio.ByteBuffer.wrap(manifest), 0).layout();
            return layout.tensorBytes() == 0 && layout.blobs().isEmpty();
        } catch (MalformedDataException e) {
            return false;
        }
    }

    private interface Attempt {
        void run() throws IOException;
    }

    /** @param empty whether the manifest has no tensor, so that there is nothing to miss */
    private static void refused(Attempt attempt, String codec, boolean empty) throws IOException {
        try {
            attempt.run();
        } catch (MalformedDataException e) {
            return;
        } catch (RuntimeException | Error e) {
            throw new AssertionError(codec, e);
        }
        if (!empty) {
            throw new AssertionError(codec + ": not refused");
        }
    }
}
