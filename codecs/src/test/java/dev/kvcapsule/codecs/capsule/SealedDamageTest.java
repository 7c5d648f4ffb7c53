package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.pipeline.CacheSink;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What somebody who holds a sealed capsule, and no key, can do to it: refused with the right code, and no byte of the cache released. */
@Timeout(180)
class SealedDamageTest {
    @TempDir
    private Path folder;
    private final Arena arena = Arena.ofShared();
    private TestKeys keys;
    private KvCache cache;
    private KvCache target;
    private byte[] capsule;
    private SealedForge forge;

    @BeforeEach
    void sealOne() throws IOException {
        keys = new TestKeys(folder);
        CacheLayout layout = new CacheLayout(9, List.of(TestCaches.dense(9, TestCaches.layers(1, 1, 16, 8, DType.F16))), List.of(new CacheLayout.Blob("words", 21)), java.util.Map.of());
        cache = TestCaches.filled(arena, layout, TestCaches::ordinary);
        target = TestCaches.empty(arena, layout);
        capsule = SealedCapsules.seal(cache, "kivi:bits=4,residual=2,sink=2", keys);
        forge = new SealedForge(capsule);
        SealedCapsules.open(capsule, keys, SealedCapsules.policy(), CacheSink.of(target));
        assertTrue(TestCaches.bytes(target).length > 0);
    }

    @AfterEach
    void forget() {
        arena.close();
    }

    private RefusalCode refusal(byte[] bytes) {
        return SealedCapsules.refusal(bytes, keys, SealedCapsules.policy(), target);
    }

    private RefusalCode refusal(MemorySegment memory) {
        return SealedCapsules.refusal(memory, keys, SealedCapsules.policy(), target);
    }

    /** Codes that a flip in a part may have once its checksums have been made right. */
    private static Set<RefusalCode> afterRepair(int type, boolean header) {
        if (header) {
            return EnumSet.of(RefusalCode.DAMAGED, RefusalCode.TRUNCATED, RefusalCode.TOO_LARGE);
        }
        return switch (type) {
            // A manifest that cannot be read, or says that it is another's, could be another's: nobody is told more.
            case SealedForge.MANIFEST -> EnumSet.of(RefusalCode.SIGNATURE, RefusalCode.UNKNOWN_KEY, RefusalCode.ALGORITHM, RefusalCode.NOT_FOUND, RefusalCode.UNSEALED);
            case SealedForge.TRAILER -> EnumSet.of(RefusalCode.SIGNATURE, RefusalCode.DAMAGED);
            default -> EnumSet.of(RefusalCode.DAMAGED);
        };
    }

    @Test
    void everySingleBitFlippedIsRefusedAllSixteenThousand() {
        MemorySegment memory = Capsules.mapped(capsule, arena);
        int flips = 0;
        for (int bit = 0; bit < 8 * capsule.length; bit++) {
            memory.set(ValueLayout.JAVA_BYTE, bit / 8, (byte) (capsule[bit / 8] ^ 1 << bit % 8));
            RefusalCode code = refusal(memory);
            assertTrue(code == RefusalCode.DAMAGED || code == RefusalCode.TRUNCATED || code == RefusalCode.TOO_LARGE, "bit " + bit + ": " + code);
            memory.set(ValueLayout.JAVA_BYTE, bit / 8, capsule[bit / 8]);
            flips++;
        }
        assertEquals(16_000, flips);
    }

    @Test
    void everyBitOfHeadersAndSignedPartsFlippedUnderForgedChecksumsIsRefusedAllElevenThousand() {
        int flips = 0;
        for (SealedForge.Part part : forge.parts()) {
            for (int bit = 8 * part.start(); bit < 8 * part.end(); bit++) {
                byte[] flipped = capsule.clone();
                flipped[bit / 8] ^= (byte) (1 << bit % 8);
                boolean header = bit / 8 < part.payload();
                boolean encrypted = capsule[part.start() + 5] != 0;
                if (bit / 8 >= part.start() + 36 && header || encrypted && !header) {
                    // A header's own checksum, and what has a tag in place of one: there is nothing to forge, the test above has them.
                    continue;
                }
                if (header) {
                    SealedForge.repairHeader(flipped, part);
                } else {
                    forge.repair(flipped, part);
                }
                RefusalCode code = refusal(flipped);
                assertTrue(afterRepair(part.type(), header).contains(code), "bit " + bit + " of a frame of type " + part.type() + ": " + code);
                flips++;
            }
        }
        assertTrue(flips > 11_000 && flips < 12_000, flips + " bits");
    }

    @Test
    void everyTruncationIsRefusedAllTwoThousand() {
        for (int length = 0; length < capsule.length; length++) {
            RefusalCode code = refusal(Arrays.copyOf(capsule, length));
            assertTrue(code == RefusalCode.TRUNCATED || code == RefusalCode.DAMAGED, length + ": " + code);
        }
        assertEquals(RefusalCode.DAMAGED, refusal(Arrays.copyOf(capsule, capsule.length + 1)));
    }

    @Test
    void everyPairOfTilesSwappedIsRefusedAllThirtySix() throws IOException {
        // Three regions of three sub-caches, which are alike: nine tiles, three of each length.
        KvCache large = TestCaches.filled(arena, TestCaches.layout(40, TestCaches.dense(40, TestCaches.layers(1, 1, 16, 16, DType.F16)),
                TestCaches.dense(40, TestCaches.layers(1, 1, 16, 16, DType.F16)), TestCaches.dense(40, TestCaches.layers(1, 1, 16, 16, DType.F16))), TestCaches::ordinary);
        byte[] sealed = SealedCapsules.seal(large, "kivi:bits=4,group=32,residual=4,sink=4,entropy=off", keys);
        SealedForge parts = new SealedForge(sealed);
        KvCache empty = TestCaches.empty(arena, large.layout());
        int swaps = 0;
        for (int a = 0; a < parts.tiles().size(); a++) {
            for (int b = a + 1; b < parts.tiles().size(); b++) {
                byte[] first = parts.bytes(parts.tiles().get(a));
                byte[] second = parts.bytes(parts.tiles().get(b));
                byte[] swapped = sealed.clone();
                // Whole frames change places; where lengths differ what is between them moves.
                int from = parts.tiles().get(a).start();
                int between = parts.tiles().get(b).start() - parts.tiles().get(a).end();
                System.arraycopy(second, 0, swapped, from, second.length);
                System.arraycopy(sealed, parts.tiles().get(a).end(), swapped, from + second.length, between);
                System.arraycopy(first, 0, swapped, from + second.length + between, first.length);
                assertEquals(RefusalCode.DAMAGED, SealedCapsules.refusal(swapped, keys, SealedCapsules.policy(), empty));
                if (first.length == second.length) {
                    // Only payload and tag change places: each header says what belongs there.
                    byte[] bodies = sealed.clone();
                    System.arraycopy(second, 40, bodies, from + 40, second.length - 40);
                    System.arraycopy(first, 40, bodies, parts.tiles().get(b).start() + 40, first.length - 40);
                    assertEquals(RefusalCode.DAMAGED, SealedCapsules.refusal(bodies, keys, SealedCapsules.policy(), empty));
                }
                swaps++;
            }
        }
        assertEquals(36, swaps);
    }

    @Test
    void aTileOrTheTrailerOfAnotherCapsuleOfTheSameKeyIsRefused() throws IOException {
        byte[] other = SealedCapsules.seal(cache, "kivi:bits=4,residual=2,sink=2", keys);
        SealedForge theirs = new SealedForge(other);
        for (int tile = 0; tile < forge.tiles().size(); tile++) {
            assertEquals(RefusalCode.DAMAGED, refusal(forge.with(forge.tiles().get(tile), theirs.bytes(theirs.tiles().get(tile)))));
        }
        assertEquals(RefusalCode.DAMAGED, refusal(forge.with(forge.the(SealedForge.TRAILER), theirs.bytes(theirs.the(SealedForge.TRAILER)))));
        assertEquals(RefusalCode.DAMAGED, refusal(forge.with(forge.the(SealedForge.MANIFEST), theirs.bytes(theirs.the(SealedForge.MANIFEST)))));
    }

    @Test
    void aMissingOrRepeatedTileIsRefused() {
        for (SealedForge.Part tile : forge.tiles()) {
            byte[] missing = new byte[capsule.length - (tile.end() - tile.start())];
            System.arraycopy(capsule, 0, missing, 0, tile.start());
            System.arraycopy(capsule, tile.end(), missing, tile.start(), capsule.length - tile.end());
            assertEquals(RefusalCode.DAMAGED, refusal(missing));
            byte[] twice = new byte[capsule.length + tile.end() - tile.start()];
            System.arraycopy(capsule, 0, twice, 0, tile.end());
            System.arraycopy(capsule, tile.start(), twice, tile.end(), capsule.length - tile.start());
            assertEquals(RefusalCode.DAMAGED, refusal(twice));
        }
    }

    /** Puts other bytes of the same length where some are, in a signed message, and makes checksums right. */
    private byte[] edited(int type, byte[] was, byte[] becomes) {
        SealedForge.Part part = forge.the(type);
        byte[] out = capsule.clone();
        for (int at = part.payload(); at <= part.end() - was.length; at++) {
            if (Arrays.equals(Arrays.copyOfRange(out, at, at + was.length), was)) {
                System.arraycopy(becomes, 0, out, at, was.length);
                forge.repair(out, part);
                return out;
            }
        }
        throw new AssertionError("not in the message");
    }

    private static byte[] ascii(String text) {
        return text.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    }

    @Test
    void algorithmKeyExpiryAndScopeCannotBeEdited() {
        for (int type : new int[] {SealedForge.MANIFEST, SealedForge.TRAILER}) {
            // 01 32: algorithm -19; 01 27: algorithm -8.
            RefusalCode algorithm = refusal(edited(type, new byte[] {(byte) 0xa3, 1, 0x32}, new byte[] {(byte) 0xa3, 1, 0x27}));
            assertEquals(type == SealedForge.MANIFEST ? RefusalCode.ALGORITHM : RefusalCode.SIGNATURE, algorithm);
            RefusalCode unknown = refusal(edited(type, ascii("test-key"), ascii("nest-key")));
            assertEquals(type == SealedForge.MANIFEST ? RefusalCode.UNKNOWN_KEY : RefusalCode.SIGNATURE, unknown);
        }
        long expires = TestKeys.NOW.plus(java.time.Duration.ofDays(7)).getEpochSecond();
        byte[] was = java.nio.ByteBuffer.allocate(13).put(ascii("expires")).put((byte) 0x1a).putInt((int) expires).array();
        byte[] later = java.nio.ByteBuffer.allocate(13).put(ascii("expires")).put((byte) 0x1a).putInt((int) expires + 86_400).array();
        assertEquals(RefusalCode.SIGNATURE, refusal(edited(SealedForge.MANIFEST, Arrays.copyOf(was, 12), Arrays.copyOf(later, 12))));
        assertEquals(RefusalCode.NOT_FOUND, refusal(edited(SealedForge.MANIFEST, ascii("duserCann".replace("C", "c")), ascii("duserCbob".replace("C", "c")))));
        assertEquals(RefusalCode.NOT_FOUND, refusal(edited(SealedForge.MANIFEST, ascii("session-7"), ascii("session-8"))));
        assertEquals(RefusalCode.SIGNATURE, refusal(edited(SealedForge.MANIFEST, ascii("grestore"), ascii("gdestroy"))));
    }

    @Test
    void aKeyOfTheRegistryThatDidNotSignIsRefused() throws IOException {
        byte[] other = SealedCapsules.seal(cache, "kivi:bits=4,residual=2,sink=2", keys, SealedCapsules.spec(TestKeys.OTHER_KID, 1), Capsules.ONE_THREAD);
        SealedCapsules.open(other, keys, SealedCapsules.policy(), CacheSink.of(target));
        SealedForge theirs = new SealedForge(other);
        byte[] mixed = other.clone();
        // The manifest names one key of the registry, and the trailer another.
        byte[] trailer = forge.bytes(forge.the(SealedForge.TRAILER));
        int start = theirs.the(SealedForge.TRAILER).start();
        byte[] joined = Arrays.copyOf(mixed, start + trailer.length + CapsuleForge.FOOTER);
        System.arraycopy(trailer, 0, joined, start, trailer.length);
        System.arraycopy(other, other.length - CapsuleForge.FOOTER, joined, start + trailer.length, CapsuleForge.FOOTER);
        assertEquals(RefusalCode.SIGNATURE, refusal(joined));
    }

    @Test
    void halfOfAHybridSignatureIsNotEnough() throws IOException {
        byte[] both = SealedCapsules.seal(cache, "raw", keys, SealedCapsules.spec(TestKeys.HYBRID_KID, 1), Capsules.ONE_THREAD);
        SealedForge parts = new SealedForge(both);
        SealedForge.Part manifest = parts.the(SealedForge.MANIFEST);
        // Each signature in turn is damaged while the other holds: the last bytes are ML-DSA's, the 64 before its header are Ed25519's.
        for (int back : new int[] {1, 3309 - 10, 3309 + 40, 3309 + 70}) {
            byte[] out = both.clone();
            out[manifest.end() - back] ^= 1;
            parts.repair(out, manifest);
            RefusalCode code = refusal(out);
            assertTrue(code == RefusalCode.SIGNATURE || code == RefusalCode.UNKNOWN_KEY || code == RefusalCode.DAMAGED, back + ": " + code);
        }
    }

    @Test
    void twoThousandRandomMutationsOfARealCapsuleAreRefused() throws IOException {
        KvCache real = TestCaches.real(arena, 512, 0, 7, 14, 21, 29);
        byte[] sealed = SealedCapsules.seal(real, "kivi:bits=4", keys);
        KvCache empty = TestCaches.empty(arena, real.layout());
        MemorySegment memory = Capsules.mapped(sealed, arena);
        SealedForge parts = new SealedForge(sealed);
        Random random = new Random(5);
        for (int i = 0; i < 2000; i++) {
            byte[] mutated = sealed.clone();
            for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
                SealedForge.Part part = parts.parts().get(random.nextInt(parts.parts().size()));
                int at = part.start() + random.nextInt(part.end() - part.start());
                mutated[at] ^= (byte) (1 + random.nextInt(255));
                if (random.nextBoolean() && at < part.payload()) {
                    SealedForge.repairHeader(mutated, part);
                } else if (random.nextBoolean()) {
                    parts.repair(mutated, part);
                }
            }
            if (Arrays.equals(mutated, sealed)) {
                continue;
            }
            memory.copyFrom(MemorySegment.ofArray(mutated));
            int number = i;
            CapsuleRefusedException refused = assertThrows(CapsuleRefusedException.class,
                    () -> SealedCapsules.open(memory, keys, SealedCapsules.policy(), CacheSink.of(empty)), () -> "mutation " + number);
            assertTrue(refused.code() != RefusalCode.REFUSED && !refused.getMessage().isBlank());
        }
        SealedCapsules.assertHoldsNothing(empty);
    }
}
