package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Random changes inside frames, with every checksum made right again, so that they reach the parsers of manifest, blobs, tiles, index and trailer.
 * Each capsule must be decoded or refused as malformed, in little memory.
 */
final class CapsuleMutations {
    private static final List<String> CODECS = List.of("raw", "lossless", "fp8", "fp8:entropy=off", "kivi:bits=2,residual=0", "kivi:bits=3,entropy=off,residual=4",
            "kivi:bits=4,rope=pre,residual=0", "kivi:bits=8,residual=0", "rotated:bits=2,sink=0", "rotated:bits=3,mean=off,entropy=off", "rotated:bits=4,rope=post",
            "klt:sink=0,window=0,step=0.2", "klt:group=all,sink=3,window=4,step=0.05",
            "cachegen:group=4", "svd:rank=3,sink=1", "svd:rank=12,bits=4,layers=2,sink=0");

    private CapsuleMutations() {}

    /** Capsules of a few kilobytes: every codec over several structures, with streams long enough to be entropy-coded. */
    static List<byte[]> capsules() throws IOException {
        List<byte[]> capsules = new ArrayList<>();
        try (Arena arena = Arena.ofShared()) {
            List<KvCache> caches = List.of(TestCaches.small(arena),
                    TestCaches.filled(arena, TestCaches.layout(70, TestCaches.dense(70, TestCaches.layers(1, 1, 32, 32, DType.F16))), (l, part, t, c) ->
                            Math.round(TestCaches.ordinary(l, part, t, c)) / 4f),
                    TestCaches.filled(arena, TestCaches.layout(9, TestCaches.dense(9, TestCaches.layers(1, 1, 32, 32, DType.Q8_0))), TestCaches::ordinary));
            for (String codec : CODECS) {
                for (KvCache cache : caches) {
                    capsules.add(Capsules.encode(cache, codec));
                }
            }
        }
        return capsules;
    }

    static byte[] mutate(byte[] capsule, Random random) {
        List<CapsuleForge.Piece> pieces = CapsuleForge.take(capsule);
        for (int edits = 1 + random.nextInt(2); edits > 0; edits--) {
            CapsuleForge.Piece piece = pick(pieces, random);
            piece.payload = edit(piece.payload, random);
        }
        return CapsuleForge.make(pieces, random.nextInt(8) > 0);
    }

    private static CapsuleForge.Piece pick(List<CapsuleForge.Piece> pieces, Random random) {
        FrameType[] kinds = {FrameType.TILE, FrameType.TILE, FrameType.TILE, FrameType.TILE, FrameType.MANIFEST, FrameType.MANIFEST, FrameType.BLOB, FrameType.INDEX,
            FrameType.TRAILER, FrameType.BASIS};
        FrameType kind = kinds[random.nextInt(kinds.length)];
        List<CapsuleForge.Piece> some = pieces.stream().filter(piece -> piece.is(kind)).toList();
        return some.isEmpty() ? pieces.getFirst() : some.get(random.nextInt(some.size()));
    }

    private static byte[] edit(byte[] payload, Random random) {
        byte[] out = payload.clone();
        if (out.length == 0) {
            return new byte[random.nextInt(9)];
        }
        switch (random.nextInt(10)) {
            case 0 -> out = Arrays.copyOf(out, random.nextInt(out.length));
            case 1 -> out = Arrays.copyOf(out, out.length + 1 + random.nextInt(9));
            case 2 -> {
                int at = random.nextInt(out.length);
                System.arraycopy(out, at, out, Math.max(0, at - 1), out.length - at);
            }
            case 3 -> out[random.nextInt(Math.min(out.length, 12))] = (byte) random.nextInt(4);
            default -> {
                for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
                    int at = random.nextInt(out.length);
                    out[at] = (byte) (random.nextBoolean() ? random.nextInt() : out[at] ^ 1 << random.nextInt(8));
                }
            }
        }
        return out;
    }

    /** @return whether the capsule was decoded; false if it was refused */
    static boolean attempt(byte[] capsule, boolean streamed) throws IOException {
        return attempt(capsule, streamed, Capsules.ONE_THREAD);
    }

    static boolean attempt(byte[] capsule, boolean streamed, PipelineOptions options) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            CapsuleReader reader = streamed ? CapsuleReader.of(Capsules.channel(capsule)) : CapsuleReader.of(Capsules.mapped(capsule, arena));
            Capsules.drain(reader, options);
            return true;
        } catch (MalformedDataException | CapsuleRefusedException e) {
            // Refusals too: a byte can turn a manifest into a sealed one's, or name a basis that nobody has.
            if (e.getMessage().isBlank() || e.getMessage().endsWith("null") || e.getMessage().chars().anyMatch(Character::isISOControl)) {
                throw new AssertionError(e);
            }
            return false;
        }
    }

    public static void main(String[] args) throws IOException {
        int count = Integer.parseInt(args[0]);
        List<byte[]> capsules = capsules();
        for (byte[] capsule : capsules) {
            if (!attempt(capsule, true) || !attempt(capsule, false)) {
                throw new AssertionError("refused as it is");
            }
        }
        int decoded = 0;
        for (int seed = 0; seed < count; seed++) {
            Random random = new Random(seed);
            byte[] mutated = mutate(capsules.get(random.nextInt(capsules.size())), random);
            try {
                decoded += attempt(mutated, seed % 4 == 0) ? 1 : 0;
            } catch (RuntimeException | Error | IOException e) {
                throw new AssertionError("mutation " + seed, e);
            }
        }
        System.out.println(decoded + " of " + count + " decoded");
    }
}
