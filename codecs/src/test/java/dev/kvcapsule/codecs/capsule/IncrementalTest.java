package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.CacheSlice;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.increment.ChunkPlan;
import dev.kvcapsule.engine.increment.ChunkSource;
import dev.kvcapsule.engine.increment.IncrementalDecoder;
import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.increment.KnownChunks;
import dev.kvcapsule.engine.increment.PartsSummary;
import dev.kvcapsule.engine.keys.GenerationFolder;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.VerificationKeys;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.ModelIdentity;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.engine.seal.SealSpec;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Chunks and tails of a real cache: put together they are the cache; anything else is refused, and nothing of it is handed out. */
class IncrementalTest {
    private static final int TOKENS = 300;

    @TempDir
    private Path folder;
    private TestKeys keys;

    @BeforeEach
    void newKeys() throws IOException {
        keys = new TestKeys(folder.resolve("keys"));
    }

    /** What was made: chunks by their key, and the tail. */
    private static final class Made implements IncrementalEncoder.Output {
        private final Map<String, byte[]> chunks = new HashMap<>();
        private byte[] tail;
        private SealClaims claims;
        private IncrementalEncoder.Encoded encoded;

        @Override
        public void chunk(ChunkRef chunk, MemorySegment bytes) {
            chunks.put(chunk.key(), bytes.toArray(ValueLayout.JAVA_BYTE));
        }

        @Override
        public void tail(SealClaims claims, MemorySegment bytes) {
            tail = bytes.toArray(ValueLayout.JAVA_BYTE);
        }

        byte[] chunk(int index) {
            return chunks.get(claims.chunks().get(index).key());
        }

        ChunkSource source() {
            return (chunk, arena) -> Optional.ofNullable(chunks.get(chunk.key())).map(bytes -> Capsules.mapped(bytes, arena));
        }
    }

    private static int[] tokens(int count) {
        return IntStream.range(0, count).map(i -> i * 7 % 1000).toArray();
    }

    private Made encode(KvCache cache, String codec, SealSpec spec, KnownChunks known, int[] tokens) throws IOException {
        Made made = new Made();
        made.encoded = new IncrementalEncoder(spec, keys, Capsules.ONE_THREAD).encode(cache, ChunkPlan.of(cache.layout(), Codecs.create(codec)), tokens, known, chunk -> true, made);
        made.claims = made.encoded.claims();
        return made;
    }

    private Made encode(KvCache cache, String codec) throws IOException {
        return encode(cache, codec, SealedCapsules.spec(), new KnownChunks(), tokens(cache.layout().subCaches().getFirst().cells()));
    }

    private void restore(byte[] tail, ChunkSource chunks, RestorePolicy policy, KvCache target) throws IOException {
        try (Arena arena = Arena.ofShared(); CapsuleOpening opening = CapsuleOpening.incremental(keys, policy)) {
            CapsuleReader reader = CapsuleReader.of(Capsules.mapped(tail, arena), opening);
            IncrementalDecoder decoder = new IncrementalDecoder(reader, opening);
            assertEquals(target.layout().subCaches(), decoder.layout().subCaches());
            reader.blobs(arena);
            decoder.decode(CacheSink.of(target), chunks, Capsules.ONE_THREAD);
        }
    }

    private KvCache restored(Made made, CacheLayout layout, Arena arena) throws IOException {
        KvCache target = TestCaches.empty(arena, layout);
        restore(made.tail, made.source(), SealedCapsules.policy(), target);
        return target;
    }

    private RefusalCode refusal(byte[] tail, ChunkSource chunks, RestorePolicy policy, CacheLayout layout) {
        try (Arena arena = Arena.ofShared()) {
            KvCache target = TestCaches.empty(arena, layout);
            CapsuleRefusedException refused = assertThrows(CapsuleRefusedException.class, () -> restore(tail, chunks, policy, target));
            SealedCapsules.assertHoldsNothing(target);
            return refused.code();
        }
    }

    private static void assertSame(KvCache a, KvCache b) {
        for (int s = 0; s < a.layout().subCaches().size(); s++) {
            for (int l = 0; l < a.layout().subCaches().get(s).layers().size(); l++) {
                for (Part part : Part.values()) {
                    assertEquals(-1, a.tensor(s, l, part).mismatch(b.tensor(s, l, part)), part + " of layer " + l);
                }
            }
        }
    }

    @Test
    void aTailAndItsChunksAreTheCacheToTheBit() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (int count : new int[] {1, 127, 128, 129, 256, TOKENS}) {
                KvCache cache = TestCaches.real(arena, count, 0, 1, 29);
                for (String codec : List.of("raw", "lossless")) {
                    Made made = encode(cache, codec);
                    assertEquals(count / 128, made.claims.chunks().size());
                    assertSame(cache, restored(made, cache.layout(), arena));
                }
            }
        }
    }

    /** In any memory order, as llama.cpp has V without flash attention, and with V that is not there. */
    @Test
    void memoryOrdersAndAbsentTensorsMakeNoDifference() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            for (TensorOrder order : TensorOrder.values()) {
                SubCache sub = new SubCache("kv", Positions.sequential(TOKENS), order, order, TestCaches.layers(2, 2, 16, order == TensorOrder.HEAD_MAJOR ? 0 : 16, DType.F16));
                KvCache cache = TestCaches.filled(arena, TestCaches.layout(TOKENS, sub), TestCaches::ordinary);
                assertSame(cache, restored(encode(cache, "lossless"), cache.layout(), arena));
            }
        }
    }

    /** Whatever the codec makes of a chunk does not depend on where the sequence ended; what it keeps exactly at the end is exact in the whole. */
    @Test
    void laterCheckpointsGoOnFromWhatIsThere() throws IOException {
        for (String codec : List.of("lossless", "rotated:bits=4", "kivi:bits=4,residual=32,sink=4,entropy=off", "fp8")) {
            KnownChunks known = new KnownChunks();
            Map<String, byte[]> all = new HashMap<>();
            try (Arena arena = Arena.ofShared()) {
                for (int count : new int[] {200, 290, 420}) {
                    KvCache cache = TestCaches.real(arena, count, 0, 15);
                    Made made = encode(cache, codec, SealedCapsules.spec(), known, tokens(count));
                    int kept = codec.contains("residual=32") ? 32 : 0;
                    assertEquals((count - kept) / 128, made.claims.chunks().size(), codec);
                    assertEquals(made.encoded.newChunks(), made.chunks.size());
                    assertTrue(made.chunks.keySet().stream().noneMatch(all::containsKey), "nothing is made twice");
                    all.putAll(made.chunks);
                    known.add(made.claims.chunks());
                    made.chunks.putAll(all);
                    KvCache back = restored(made, cache.layout(), arena);
                    if (kept > 0) {
                        long bytes = cache.layout().subCaches().getFirst().layers().getFirst().rowBytes(Part.KEY);
                        assertEquals(-1, cache.tensor(0, 0, Part.KEY).asSlice((count - kept) * bytes).mismatch(back.tensor(0, 0, Part.KEY).asSlice((count - kept) * bytes)));
                        assertEquals(-1, cache.tensor(0, 0, Part.KEY).asSlice(0, 4 * bytes).mismatch(back.tensor(0, 0, Part.KEY).asSlice(0, 4 * bytes)), "sinks are exact");
                    }
                    if (codec.equals("lossless")) {
                        assertSame(cache, back);
                    }
                }
            }
            assertEquals(3, all.size());
        }
    }

    @Test
    void equalPrefixesHaveOneAddressInATenantAndNoOtherAnywhere() throws IOException {
        keys.folder().lifecycle().newTenantKey("evil");
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, TOKENS, 0);
            SealSpec spec = SealedCapsules.spec();
            Made first = encode(cache, "lossless");
            Made another = encode(cache, "lossless", new SealSpec("i", TestKeys.KID, "acme", new Scope("acme", "bob", Optional.empty(), Optional.empty()), spec.created(), spec.notBefore(), spec.lifetime(),
                    0, spec.model(), spec.runtime(), spec.tokens(), spec.aead()), new KnownChunks(), tokens(TOKENS));
            assertEquals(first.claims.chunks().get(1).address(), another.claims.chunks().get(1).address(), "another user's equal prefix");
            assertNotEquals(first.claims.chunks().get(1).root(), another.claims.chunks().get(1).root(), "under another key");
            Set<String> addresses = new HashSet<>();
            int[] changed = tokens(TOKENS);
            changed[3] ^= 1;
            int[] later = tokens(TOKENS);
            later[250] ^= 1;
            addresses.add(encode(cache, "lossless", spec, new KnownChunks(), changed).claims.chunks().get(1).address());
            addresses.add(encode(cache, "lossless", spec, new KnownChunks(), later).claims.chunks().get(1).address());
            assertEquals(first.claims.chunks().get(0).address(), encode(cache, "lossless", spec, new KnownChunks(), later).claims.chunks().get(0).address());
            addresses.add(encode(cache, "raw").claims.chunks().get(1).address());
            addresses.add(encode(cache, "lossless", spec.withModel(new ModelIdentity("m", Optional.empty(), Optional.empty())), new KnownChunks(), tokens(TOKENS)).claims.chunks().get(1).address());
            addresses.add(encode(cache, "lossless", SealedCapsules.spec(TestKeys.OTHER_KID, 1), new KnownChunks(), tokens(TOKENS)).claims.chunks().get(1).address());
            addresses.add(encode(TestCaches.real(arena, TOKENS, 1), "lossless").claims.chunks().get(1).address());
            addresses.add(encode(cache, "lossless", new SealSpec("i", TestKeys.KID, "evil", new Scope("evil", "ann", Optional.empty(), Optional.empty()), spec.created(), spec.notBefore(), spec.lifetime(), 0,
                    spec.model(), spec.runtime(), spec.tokens(), spec.aead()), new KnownChunks(), tokens(TOKENS)).claims.chunks().get(1).address());
            addresses.add(first.claims.chunks().get(1).address());
            assertEquals(8, addresses.size(), "tokens, codec, model, signer, structure and tenant are told apart");
            keys.folder().lifecycle().rotateTenantKey("acme");
            assertTrue(addresses.add(encode(cache, "lossless").claims.chunks().get(1).address()), "a new epoch starts anew");
        }
    }

    @Test
    void aMissingSwappedOrDamagedChunkIsRefused() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, TOKENS, 0);
            CacheLayout layout = cache.layout();
            Made made = encode(cache, "lossless");
            RestorePolicy policy = SealedCapsules.policy();
            assertEquals(RefusalCode.INCOMPLETE, refusal(made.tail, ChunkSource.NONE, policy, layout));
            List<byte[]> swapped = List.of(made.chunk(1), made.chunk(0));
            int[] next = {0};
            assertEquals(RefusalCode.DAMAGED, refusal(made.tail, (chunk, a) -> Optional.of(Capsules.mapped(swapped.get(next[0]++), a)), policy, layout));
            next[0] = 0;
            assertEquals(RefusalCode.DAMAGED, refusal(made.tail, (chunk, a) -> Optional.of(Capsules.mapped(made.chunk(0), a)), policy, layout), "the first one twice");
            Made again = encode(cache, "lossless");
            assertEquals(RefusalCode.DAMAGED, refusal(made.tail, (chunk, a) -> again.source().find(again.claims.chunks().stream().filter(one -> one.address().equals(chunk.address())).findFirst()
                    .orElseThrow(), a), policy, layout), "the same prefix, sealed another time");
            int[] other = tokens(TOKENS);
            other[0]++;
            Made foreign = encode(cache, "lossless", SealedCapsules.spec(), new KnownChunks(), other);
            next[0] = 0;
            assertEquals(RefusalCode.DAMAGED, refusal(made.tail, (chunk, a) -> Optional.of(Capsules.mapped(foreign.chunk(next[0]++), a)), policy, layout), "another prefix's");
            byte[] whole = made.chunk(1);
            for (int at = 0; at < whole.length; at += 1 + whole.length / 40) {
                byte[] damaged = whole.clone();
                damaged[at] ^= 4;
                Made hurt = new Made();
                hurt.chunks.putAll(made.chunks);
                hurt.chunks.put(made.claims.chunks().get(1).key(), damaged);
                RefusalCode code = refusal(made.tail, hurt.source(), policy, layout);
                assertTrue(Set.of(RefusalCode.DAMAGED, RefusalCode.TRUNCATED, RefusalCode.SIGNATURE, RefusalCode.UNKNOWN_KEY, RefusalCode.NOT_FOUND, RefusalCode.DATA_KEY).contains(code), code + " at " + at);
                hurt.chunks.put(made.claims.chunks().get(1).key(), java.util.Arrays.copyOf(whole, at));
                assertEquals(RefusalCode.TRUNCATED, refusal(made.tail, hurt.source(), policy, layout));
            }
        }
    }

    private Trailer verify(byte[] tail, ChunkSource chunks) throws IOException {
        try (Arena arena = Arena.ofShared(); CapsuleOpening opening = CapsuleOpening.incremental(keys, SealedCapsules.policy())) {
            CapsuleReader reader = CapsuleReader.of(Capsules.mapped(tail, arena), opening);
            IncrementalDecoder decoder = new IncrementalDecoder(reader, opening);
            reader.blobs(arena);
            return decoder.verify(chunks, Capsules.ONE_THREAD);
        }
    }

    private CapsuleSummary summary(byte[] tail, ChunkSource chunks, VerificationKeys registry) throws IOException {
        try (Arena arena = Arena.ofShared(); PublicOpening opening = registry == null ? PublicOpening.showing() : PublicOpening.verifying(registry, () -> TestKeys.NOW)) {
            return PartsSummary.read(CapsuleReader.of(Capsules.mapped(tail, arena), opening), opening, chunks);
        }
    }

    /** With a tenant's key and with public keys alone; what is damaged, missing, another or revoked is refused by both as it is by who restores. */
    @Test
    void allPartsAreVerifiedWithoutAnythingBeingRestored() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.filled(arena, TestCaches.layout(TOKENS, new SubCache("kv", Positions.sequential(TOKENS), TensorOrder.TOKEN_MAJOR, TensorOrder.CHANNEL_MAJOR,
                    TestCaches.layers(2, 2, 64, 64, DType.F16))), TestCaches::ordinary);
            Made made = encode(cache, "rotated:bits=4");
            Trailer trailer = verify(made.tail, made.source());
            CapsuleSummary all = summary(made.tail, made.source(), keys);
            assertEquals(trailer.frames(), all.trailer().frames());
            assertEquals(trailer.relativeError(), all.trailer().relativeError());
            assertTrue(trailer.relativeError() > 0 && trailer.relativeError() < .2);
            assertEquals(cache.layout().subCaches(), all.manifest().layout().subCaches());
            assertEquals(TOKENS, all.manifest().layout().tokens());
            long bytes = made.tail.length + made.chunks.values().stream().mapToLong(chunk -> chunk.length).sum();
            assertEquals(bytes, all.manifestBytes() + all.blobBytes() + all.basisBytes() + all.keyOnlyBytes() + all.valueOnlyBytes() + all.mixedBytes() + all.framingBytes());

            List<byte[]> swapped = List.of(made.chunk(1), made.chunk(0));
            byte[] damaged = made.chunk(1).clone();
            damaged[damaged.length / 2] ^= 1;
            Made again = encode(cache, "rotated:bits=4");
            for (VerificationKeys registry : new VerificationKeys[] {null, keys}) {
                assertEquals(RefusalCode.INCOMPLETE, refused(() -> summary(made.tail, ChunkSource.NONE, registry)));
                int[] next = {0};
                assertEquals(RefusalCode.DAMAGED, refused(() -> summary(made.tail, (chunk, memory) -> Optional.of(Capsules.mapped(swapped.get(next[0]++), arena)), registry)));
                assertEquals(RefusalCode.DAMAGED, refused(() -> summary(made.tail, (chunk, memory) -> Optional.of(Capsules.mapped(next[0]++ == 2 ? made.chunk(0) : damaged, arena)), registry)));
                next[0] = 0;
                assertEquals(RefusalCode.DAMAGED, refused(() -> summary(made.tail, (chunk, memory) -> Optional.of(Capsules.mapped(again.chunk(next[0]++), arena)), registry)));
            }
            int[] next = {0};
            assertEquals(RefusalCode.DAMAGED, refused(() -> verify(made.tail, (chunk, memory) -> Optional.of(Capsules.mapped(next[0]++ == 0 ? made.chunk(0) : damaged, arena)))));
            keys.revoked(made.claims.chunks().get(1).id());
            assertEquals(RefusalCode.REVOKED, refused(() -> summary(made.tail, made.source(), keys)));
            assertEquals(RefusalCode.REVOKED, refused(() -> verify(made.tail, made.source())));
        }
    }

    private static RefusalCode refused(Executable run) {
        return assertThrows(CapsuleRefusedException.class, run).code();
    }

    @Test
    void neitherATailNorAChunkIsACapsuleOfItsOwn() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, TOKENS, 0);
            Made made = encode(cache, "lossless");
            KvCache small = TestCaches.empty(arena, CacheSlice.of(cache, 256, TOKENS, arena).layout());
            assertEquals(RefusalCode.INCOMPLETE, SealedCapsules.refusal(made.tail, keys, SealedCapsules.policy(), small));
            List<RefusalCode> log = new ArrayList<>();
            RestorePolicy policy = SealedCapsules.policy(SealedCapsules.CALLER, RestoreContext.UNCHECKED, TestKeys.NOW, log);
            KvCache chunk = TestCaches.empty(arena, CacheSlice.of(cache, 0, 128, arena).layout());
            assertEquals(RefusalCode.NOT_FOUND, SealedCapsules.refusal(made.chunk(0), keys, policy, chunk), "who has a chunk and no capsule that names it has nothing");
            assertEquals(List.of(RefusalCode.DAMAGED), log);
        }
    }

    @Test
    void everythingThatHoldsForACapsuleHoldsForTheWhole() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, TOKENS, 0);
            CacheLayout layout = cache.layout();
            Made made = encode(cache, "lossless");
            RestoreContext any = RestoreContext.UNCHECKED;
            List<RefusalCode> log = new ArrayList<>();
            assertEquals(RefusalCode.NOT_FOUND, refusal(made.tail, made.source(), SealedCapsules.policy(new Caller("acme", "bob", Optional.of("session-7"), Set.of("restore")), any, TestKeys.NOW, log), layout));
            assertEquals(RefusalCode.NOT_FOUND, refusal(made.tail, made.source(), SealedCapsules.policy(new Caller("evil", "ann", Optional.of("session-7"), Set.of("restore")), any, TestKeys.NOW, log), layout));
            assertEquals(List.of(RefusalCode.WRONG_USER, RefusalCode.WRONG_ORG), log);
            assertEquals(RefusalCode.EXPIRED, refusal(made.tail, made.source(), SealedCapsules.policy(SealedCapsules.CALLER, any, TestKeys.NOW.plus(Duration.ofDays(8)), log), layout));
            // The generation is noted when the last chunk has held, and not before.
            GenerationFolder generations = new GenerationFolder(folder.resolve("generations"));
            RestorePolicy counting = new RestorePolicy(SealedCapsules.CALLER, any, () -> TestKeys.NOW, Optional.of(generations), false, (code, detail) -> log.add(code));
            Made newer = encode(cache, "lossless", SealedCapsules.spec(TestKeys.KID, 2), new KnownChunks(), tokens(TOKENS));
            assertEquals(RefusalCode.INCOMPLETE, refusal(newer.tail, ChunkSource.NONE, counting, layout));
            restore(made.tail, made.source(), counting, TestCaches.empty(arena, layout));
            restore(newer.tail, newer.source(), counting, TestCaches.empty(arena, layout));
            assertEquals(RefusalCode.REPLAYED, refusal(made.tail, made.source(), counting, layout));
        }
    }

    @Test
    void aTenantsChunkIsNoOtherTenants() throws IOException {
        keys.folder().lifecycle().newTenantKey("evil");
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, TOKENS, 0);
            SealSpec spec = SealedCapsules.spec();
            Made made = encode(cache, "lossless");
            Made evil = encode(cache, "lossless", new SealSpec("i", TestKeys.KID, "evil", new Scope("evil", "ann", Optional.empty(), Optional.empty()), spec.created(), spec.notBefore(), spec.lifetime(), 0,
                    spec.model(), spec.runtime(), spec.tokens(), spec.aead()), new KnownChunks(), tokens(TOKENS));
            int[] next = {0};
            List<RefusalCode> log = new ArrayList<>();
            RestorePolicy policy = SealedCapsules.policy(SealedCapsules.CALLER, RestoreContext.UNCHECKED, TestKeys.NOW, log);
            assertEquals(RefusalCode.NOT_FOUND, refusal(made.tail, (chunk, a) -> Optional.of(Capsules.mapped(evil.chunk(next[0]++), a)), policy, cache.layout()));
            assertEquals(List.of(RefusalCode.WRONG_ORG), log);
            // What is said to be there and is another's is taken by its address only.
            KnownChunks lies = new KnownChunks();
            lies.add(evil.claims.chunks());
            assertEquals(2, encode(cache, "lossless", spec, lies, tokens(TOKENS)).encoded.newChunks());
        }
    }

    /** A chunk that will not live as long as the capsule is not gone on from, nor is one whose maker says that it was revoked. */
    @Test
    void whatWouldBeRefusedLaterIsMadeAnew() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            KvCache cache = TestCaches.real(arena, TOKENS, 0);
            Made made = encode(cache, "lossless");
            KnownChunks known = new KnownChunks();
            known.add(made.claims.chunks());
            SealSpec spec = SealedCapsules.spec();
            SealSpec late = new SealSpec(spec.issuer(), spec.signer(), spec.tenant(), spec.scope(), spec.created(), spec.notBefore(), Duration.ofDays(100), 1, spec.model(), spec.runtime(), spec.tokens(),
                    spec.aead());
            assertEquals(2, encode(cache, "lossless", late, known, tokens(TOKENS)).encoded.newChunks());
            Made all = new Made();
            assertEquals(2, new IncrementalEncoder(spec, keys, Capsules.ONE_THREAD).encode(cache, ChunkPlan.of(cache.layout(), Codecs.create("lossless")), tokens(TOKENS), known, chunk -> false, all)
                    .newChunks());
            assertEquals(0, encode(cache, "lossless", spec, known, tokens(TOKENS)).encoded.newChunks());
            assertEquals(KeyStatus.ACTIVE, keys.publicKey(TestKeys.KID).orElseThrow().status());
        }
    }

    @Test
    void whatCannotBeCutSaysWhy() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            CacheLayout dense = TestCaches.real(arena, 64, 0).layout();
            assertTrue(ChunkPlan.whyNot(dense, Codecs.create("lossless"), Optional.of(tokens(64))).isEmpty());
            assertTrue(ChunkPlan.whyNot(dense, Codecs.create("klt"), Optional.of(tokens(64))).orElseThrow().contains("shared basis"));
            assertTrue(ChunkPlan.whyNot(dense, Codecs.create("svd:rank=8"), Optional.of(tokens(64))).isPresent());
            assertTrue(ChunkPlan.whyNot(dense, Codecs.create("lossless"), Optional.empty()).isPresent());
            assertTrue(ChunkPlan.whyNot(dense, Codecs.create("lossless"), Optional.of(new int[64])).isEmpty());
            int[] image = tokens(64);
            image[5] = -1;
            assertTrue(ChunkPlan.whyNot(dense, Codecs.create("lossless"), Optional.of(image)).orElseThrow().contains("images"));
            SubCache window = new SubCache("swa", Positions.ofRuns(new long[] {30, 34}), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, TestCaches.layers(1, 2, 16, 16, DType.F16));
            CacheLayout sliding = new CacheLayout(64, List.of(dense.subCaches().getFirst(), window), List.of(), Map.of());
            assertTrue(ChunkPlan.whyNot(sliding, Codecs.create("lossless"), Optional.of(tokens(64))).orElseThrow().contains("swa"));
        }
    }

    @Test
    void claimsOfChunksAreBounded() {
        String hex = "00".repeat(32);
        assertThrows(IllegalArgumentException.class, () -> new ChunkRef("00", hex, hex, 1, 1, TestKeys.NOW));
        assertThrows(IllegalArgumentException.class, () -> new ChunkRef("00".repeat(16), hex, hex, 0, 1, TestKeys.NOW));
        assertThrows(IllegalArgumentException.class, () -> new ChunkRef("00".repeat(16), hex, hex, 1, 1L << 40, TestKeys.NOW));
        assertFalse(new MalformedDataException("x").isTruncated());
    }
}
