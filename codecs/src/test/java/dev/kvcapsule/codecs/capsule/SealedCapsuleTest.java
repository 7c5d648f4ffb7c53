package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.engine.seal.SealSpec;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SealedCapsuleTest {
    private static final PipelineOptions THREE = new PipelineOptions(3, Kernels.scalar(), Progress.NONE);

    @TempDir
    private Path folder;
    private TestKeys keys;

    @BeforeEach
    void makeKeys() throws IOException {
        keys = new TestKeys(folder);
    }

    private static KvCache target(KvCache cache, Arena arena) {
        return TestCaches.empty(arena, cache.layout());
    }

    @ParameterizedTest
    @ValueSource(strings = {"raw", "lossless", "kivi:bits=4,residual=2", "klt:window=2,step=0.3", "svd:rank=5"})
    void sealedCapsulesComeBackMappedStreamedAndOnManyThreads(String codec) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            byte[] expected = TestCaches.bytes(Capsules.decode(Capsules.encode(cache, codec), arena));
            for (String kid : new String[] {TestKeys.KID, TestKeys.HYBRID_KID}) {
                byte[] capsule = SealedCapsules.seal(cache, codec, keys, SealedCapsules.spec(kid, 1), THREE);
                KvCache mapped = target(cache, arena);
                SealedCapsules.open(capsule, keys, SealedCapsules.policy(), CacheSink.of(mapped));
                try (CapsuleOpening opening = new CapsuleOpening(keys, SealedCapsules.policy())) {
                    KvCache streamed = Capsules.decode(CapsuleReader.of(Capsules.drops(capsule), opening), arena, THREE);
                    assertArrayEquals(expected, TestCaches.bytes(streamed));
                }
                assertTensorsEqual(expected, mapped, cache);
            }
        }
    }

    /** Blobs are the reader's; a target that only took tensors has none. */
    private static void assertTensorsEqual(byte[] expected, KvCache target, KvCache cache) {
        for (int b = 0; b < cache.layout().blobs().size(); b++) {
            target.blob(b).copyFrom(cache.blob(b));
        }
        assertArrayEquals(expected, TestCaches.bytes(target));
    }

    @Test
    void chachaSealsAndOpensToo() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            SealSpec gcm = SealedCapsules.spec();
            SealSpec chacha = new SealSpec(gcm.issuer(), gcm.signer(), gcm.tenant(), gcm.scope(), gcm.created(), gcm.notBefore(), gcm.lifetime(), 1, gcm.model(), gcm.runtime(),
                    gcm.tokens(), AeadAlgorithm.CHACHA20_POLY1305);
            byte[] capsule = SealedCapsules.seal(cache, "raw", keys, chacha, Capsules.ONE_THREAD);
            KvCache target = target(cache, arena);
            SealedCapsules.open(capsule, keys, SealedCapsules.policy(), CacheSink.of(target));
            assertTensorsEqual(TestCaches.bytes(cache), target, cache);
            capsule[capsule.length / 2] ^= 1;
            assertEquals(RefusalCode.DAMAGED, SealedCapsules.refusal(capsule, keys, SealedCapsules.policy(), target(cache, arena)));
        }
    }

    @Test
    void aPrefixIsRestoredFromASealedCapsule() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            byte[] capsule = SealedCapsules.seal(cache, "raw", keys);
            KvCache target = target(cache, arena);
            try (CapsuleOpening opening = new CapsuleOpening(keys, SealedCapsules.policy())) {
                CapsuleReader reader = CapsuleReader.of(Capsules.mapped(capsule, arena), opening);
                CapsuleDecoder decoder = new CapsuleDecoder(reader);
                reader.blobs(arena);
                decoder.decodePrefix(CacheSink.of(target), Capsules.ONE_THREAD);
            }
            assertTensorsEqual(TestCaches.bytes(cache), target, cache);
        }
    }

    @Test
    void nothingOfTheCacheOrItsBlobsIsInTheFile() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            String capsule = new String(SealedCapsules.seal(cache, "raw", keys), java.nio.charset.StandardCharsets.ISO_8859_1);
            byte[] plain = Capsules.encode(cache, "raw");
            String blob = new String(cache.blob(0).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE), java.nio.charset.StandardCharsets.ISO_8859_1);
            String row = new String(cache.tensor(0, 0, dev.kvcapsule.engine.cache.Part.KEY).asSlice(0, 32).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE),
                    java.nio.charset.StandardCharsets.ISO_8859_1);
            String open = new String(plain, java.nio.charset.StandardCharsets.ISO_8859_1);
            assertTrue(open.contains(blob) && open.contains(row), "the test looks for what an unsealed capsule shows");
            assertTrue(!capsule.contains(blob) && !capsule.contains(row));
        }
    }

    @Test
    void twoCapsulesOfOneCacheShareNoTile() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            byte[] one = SealedCapsules.seal(cache, "raw", keys);
            byte[] two = SealedCapsules.seal(cache, "raw", keys);
            assertEquals(one.length, two.length);
            int same = 0;
            int tile = new SealedForge(one).tiles().getFirst().start();
            for (int i = tile + 40; i < tile + 240; i++) {
                same += one[i] == two[i] ? 1 : 0;
            }
            assertTrue(same < 20, same + " of 200 bytes are equal");
        }
    }

    @Test
    void publicKeysVerifyWithoutReadingAndInspectingNeedsNone() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            for (String kid : new String[] {TestKeys.KID, TestKeys.HYBRID_KID}) {
                byte[] capsule = SealedCapsules.seal(cache, "lossless", keys, SealedCapsules.spec(kid, 1), THREE);
                try (PublicOpening opening = PublicOpening.verifying(keys.folder().export(), () -> TestKeys.NOW)) {
                    CapsuleSummary summary = CapsuleSummary.read(CapsuleReader.of(Capsules.channel(capsule), opening));
                    assertEquals(cache.layout(), summary.manifest().layout());
                    assertEquals(capsule.length, summary.manifestBytes() + summary.blobBytes() + summary.basisBytes() + summary.keyOnlyBytes() + summary.valueOnlyBytes()
                            + summary.mixedBytes() + summary.framingBytes());
                }
                try (PublicOpening opening = PublicOpening.showing()) {
                    CapsuleSummary.read(CapsuleReader.of(Capsules.channel(capsule), opening));
                    assertEquals("ann", opening.claims().scope().user());
                }
            }
        }
    }

    @Test
    void aSealIsAskedForOrNot() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.small(arena);
            byte[] sealed = SealedCapsules.seal(cache, "raw", keys);
            byte[] open = Capsules.encode(cache, "raw");
            assertEquals(RefusalCode.SEALED, assertThrows(CapsuleRefusedException.class, () -> CapsuleReader.of(Capsules.channel(sealed))).code());
            assertEquals(RefusalCode.UNSEALED, SealedCapsules.refusal(open, keys, SealedCapsules.policy(), target(cache, arena)));
            CacheLayout layout = cache.layout();
            assertEquals(layout, CapsuleReader.of(Capsules.channel(open)).manifest().layout());
        }
    }
}
