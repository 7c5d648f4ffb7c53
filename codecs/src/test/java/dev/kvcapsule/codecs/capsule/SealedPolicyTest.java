package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.keys.GenerationFolder;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.seal.CacheStructure;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.ModelIdentity;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.RuntimeRange;
import dev.kvcapsule.engine.seal.SealSpec;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.Channels;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A capsule that is whole, and whose caller, time, session, model or key is not right. */
class SealedPolicyTest {
    private static final String WEIGHTS = "ab".repeat(32);
    private static final String TOKENIZER = "cd".repeat(32);
    private static final int[] TOKENS = IntStream.range(100, 112).toArray();

    @TempDir
    private Path folder;
    private final Arena arena = Arena.ofShared();
    private final List<RefusalCode> log = new ArrayList<>();
    private TestKeys keys;
    private KvCache cache;
    private KvCache target;
    private byte[] capsule;

    @BeforeEach
    void sealOne() throws IOException {
        keys = new TestKeys(folder.resolve("keys"));
        cache = TestCaches.small(arena);
        target = TestCaches.empty(arena, cache.layout());
        capsule = seal(bound(1));
    }

    @AfterEach
    void forget() {
        arena.close();
    }

    private static SealSpec bound(long generation) {
        SealSpec spec = SealedCapsules.spec(TestKeys.KID, generation);
        return new SealSpec(spec.issuer(), spec.signer(), spec.tenant(), spec.scope(), spec.created(), spec.notBefore(), spec.lifetime(), generation,
                Optional.of(new ModelIdentity("smol", Optional.of(WEIGHTS), Optional.of(TOKENIZER))), Optional.of(RuntimeRange.parse("llama.cpp:1.2..1.10")),
                Optional.of(TOKENS), spec.aead());
    }

    private byte[] seal(SealSpec spec) throws IOException {
        return SealedCapsules.seal(cache, "raw", keys, spec, Capsules.ONE_THREAD);
    }

    private RefusalCode refusal(Caller caller, RestoreContext context, Instant now) {
        return SealedCapsules.refusal(capsule, keys, SealedCapsules.policy(caller, context, now, log), target);
    }

    private void opens(RestorePolicy policy) throws IOException {
        SealedCapsules.open(capsule, keys, policy, CacheSink.of(target));
    }

    private static RestoreContext context(String id, String weights, String tokenizer, String runtime, int[] tokens) {
        return new RestoreContext(Optional.of(new ModelIdentity(id, Optional.of(weights), Optional.of(tokenizer))), Optional.of(RuntimeRange.parse(runtime)), Optional.empty(),
                Optional.of(tokens), true);
    }

    @Test
    void anotherOrgUserOrSessionLooksLikeNoCapsuleAtAll() {
        List<Caller> others = List.of(new Caller("evil", "ann", Optional.of("session-7"), Set.of("restore")), new Caller("acme", "bob", Optional.of("session-7"), Set.of("restore")),
                new Caller("acme", "ann", Optional.of("session-8"), Set.of("restore")), new Caller("acme", "ann", Optional.empty(), Set.of("restore")));
        for (Caller other : others) {
            CapsuleRefusedException refused = assertThrows(CapsuleRefusedException.class,
                    () -> SealedCapsules.open(capsule, keys, SealedCapsules.policy(other, RestoreContext.UNCHECKED, TestKeys.NOW, log), CacheSink.of(target)));
            assertEquals(RefusalCode.NOT_FOUND, refused.code());
            assertEquals(CapsuleRefusedException.notFound().getMessage(), refused.getMessage());
        }
        assertEquals(List.of(RefusalCode.WRONG_ORG, RefusalCode.WRONG_USER, RefusalCode.WRONG_SESSION, RefusalCode.WRONG_SESSION), log);
        log.forEach(code -> assertEquals(RefusalCode.NOT_FOUND, code.toOutsiders()));
        assertEquals(RefusalCode.PERMISSION, refusal(new Caller("acme", "ann", Optional.of("session-7"), Set.of("save")), RestoreContext.UNCHECKED, TestKeys.NOW));
    }

    @Test
    void timeIsKept() throws IOException {
        assertEquals(RefusalCode.NOT_YET_VALID, refusal(SealedCapsules.CALLER, RestoreContext.UNCHECKED, TestKeys.NOW.minusSeconds(1)));
        Instant end = TestKeys.NOW.plus(SealSpec.DEFAULT_LIFETIME);
        assertEquals(RefusalCode.EXPIRED, refusal(SealedCapsules.CALLER, RestoreContext.UNCHECKED, end));
        opens(SealedCapsules.policy(SealedCapsules.CALLER, RestoreContext.UNCHECKED, end.minusSeconds(1), log));
        assertEquals(RefusalCode.KEY_NOT_VALID, refusal(SealedCapsules.CALLER, RestoreContext.UNCHECKED, TestKeys.NOW.minusSeconds(5000)));
    }

    @Test
    void modelWeightsTokenizerRuntimeAndTokensEachHaveTheirCode() throws IOException {
        int[] longer = IntStream.range(100, 140).toArray();
        opens(SealedCapsules.policy(SealedCapsules.CALLER, context("smol", WEIGHTS, TOKENIZER, "llama.cpp:1.9", longer), TestKeys.NOW, log));
        int[] other = TOKENS.clone();
        other[11]++;
        Object[][] cases = {{context("large", WEIGHTS, TOKENIZER, "llama.cpp:1.9", TOKENS), RefusalCode.WRONG_MODEL},
            {context("smol", TOKENIZER, TOKENIZER, "llama.cpp:1.9", TOKENS), RefusalCode.WRONG_WEIGHTS}, {context("smol", WEIGHTS, WEIGHTS, "llama.cpp:1.9", TOKENS), RefusalCode.WRONG_TOKENIZER},
            {context("smol", WEIGHTS, TOKENIZER, "llama.cpp:1.11", TOKENS), RefusalCode.WRONG_RUNTIME}, {context("smol", WEIGHTS, TOKENIZER, "vllm:1.9", TOKENS), RefusalCode.WRONG_RUNTIME},
            {context("smol", WEIGHTS, TOKENIZER, "llama.cpp:1.2", other), RefusalCode.WRONG_PREFIX},
            {context("smol", WEIGHTS, TOKENIZER, "llama.cpp:1.10", IntStream.range(100, 111).toArray()), RefusalCode.WRONG_PREFIX},
            {new RestoreContext(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), true), RefusalCode.WRONG_MODEL}};
        for (Object[] one : cases) {
            assertEquals(one[1], refusal(SealedCapsules.CALLER, (RestoreContext) one[0], TestKeys.NOW));
        }
    }

    @Test
    void theStructureOfTheCacheIsComparedLayerByLayer() throws IOException {
        List<LayerLayout> layers = cache.layout().subCaches().stream().flatMap(sub -> sub.layers().stream()).toList();
        RestoreContext same = new RestoreContext(Optional.empty(), Optional.empty(), Optional.of(CacheStructure.of(layers)), Optional.empty(), false);
        opens(SealedCapsules.policy(SealedCapsules.CALLER, same, TestKeys.NOW, log));
        for (int i = 0; i < layers.size(); i++) {
            List<LayerLayout> changed = new ArrayList<>(layers);
            LayerLayout was = changed.get(i);
            changed.set(i, new LayerLayout(was.layer(), was.kvHeads() + 1, was.keyHeadDim(), was.valueHeadDim(), was.keyType(), was.valueType(), was.rope(), was.window()));
            RestoreContext context = new RestoreContext(Optional.empty(), Optional.empty(), Optional.of(CacheStructure.of(changed)), Optional.empty(), false);
            assertEquals(RefusalCode.WRONG_STRUCTURE, refusal(SealedCapsules.CALLER, context, TestKeys.NOW));
        }
    }

    @Test
    void anOlderGenerationIsAReplayUnlessForked() throws IOException {
        GenerationFolder marks = new GenerationFolder(folder.resolve("generations"));
        byte[] first = capsule;
        byte[] second = seal(bound(2));
        RestorePolicy strict = new RestorePolicy(SealedCapsules.CALLER, RestoreContext.UNCHECKED, () -> TestKeys.NOW, Optional.of(marks), false, (code, detail) -> log.add(code));
        opens(strict);
        opens(strict);
        SealedCapsules.open(second, keys, strict, CacheSink.of(target));
        assertEquals(RefusalCode.REPLAYED, SealedCapsules.refusal(first, keys, strict, target));
        SealedCapsules.open(second, keys, strict, CacheSink.of(target));
        log.clear();
        RestorePolicy fork = new RestorePolicy(SealedCapsules.CALLER, RestoreContext.UNCHECKED, () -> TestKeys.NOW, Optional.of(marks), true, (code, detail) -> log.add(code));
        SealedCapsules.open(first, keys, fork, CacheSink.of(target));
        assertEquals(List.of(RefusalCode.REPLAYED), log);
    }

    @Test
    void aDamagedCapsuleDoesNotRaiseTheMark() throws IOException {
        GenerationFolder marks = new GenerationFolder(folder.resolve("generations"));
        RestorePolicy policy = new RestorePolicy(SealedCapsules.CALLER, RestoreContext.UNCHECKED, () -> TestKeys.NOW, Optional.of(marks), false, (code, detail) -> log.add(code));
        byte[] damaged = seal(bound(9));
        damaged[damaged.length - 100] ^= 1;
        SealedCapsules.refusal(damaged, keys, policy, target);
        opens(policy);
    }

    @Test
    void revokedKeysCapsulesAndEpochsAreRefusedAtOnceAndADestroyedKeyForGood() throws IOException {
        KeyFolder live = keys.folder();
        String id;
        try (CapsuleSeal seal = new CapsuleSeal(bound(1), live)) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            dev.kvcapsule.engine.pipeline.CapsuleEncoder.encode(cache, dev.kvcapsule.engine.codec.Codecs.create("raw"), Channels.newChannel(out), Capsules.ONE_THREAD, seal);
            capsule = out.toByteArray();
            id = seal.claims().id();
        }
        SealedCapsules.open(capsule, live, SealedCapsules.policy(), CacheSink.of(target));
        byte[] another = seal(bound(1));
        live.lifecycle().revokeCapsule(java.util.HexFormat.of().parseHex(id));
        assertEquals(RefusalCode.REVOKED, refusal(live));
        capsule = another;
        SealedCapsules.open(capsule, live, SealedCapsules.policy(), CacheSink.of(target));
        live.lifecycle().rotateTenantKey(TestKeys.TENANT);
        assertEquals(2, live.epoch(TestKeys.TENANT));
        SealedCapsules.open(capsule, live, SealedCapsules.policy(), CacheSink.of(target));
        live.lifecycle().revokeEpoch(TestKeys.TENANT, 1, false);
        assertEquals(RefusalCode.REVOKED, refusal(live));
        capsule = seal(bound(1));
        live.lifecycle().revokeKey(TestKeys.KID);
        assertEquals(RefusalCode.REVOKED, refusal(live));
        capsule = SealedCapsules.seal(cache, "raw", live, SealedCapsules.spec(TestKeys.OTHER_KID, 1), Capsules.ONE_THREAD);
        live.lifecycle().revokeEpoch(TestKeys.TENANT, 2, true);
        assertEquals(RefusalCode.REVOKED, refusal(live));
        assertTrue(live.tenantKeys().stream().noneMatch(key -> key.epoch() == 2 && key.present()));
    }

    private RefusalCode refusal(KeyProvider provider) {
        return SealedCapsules.refusal(capsule, provider, SealedCapsules.policy(), target);
    }

    @Test
    void aTenantKeyThatIsNotHereOrAnothersDoesNotOpen() throws IOException {
        KeyFolder elsewhere = KeyFolder.open(folder.resolve("elsewhere"), null);
        elsewhere.lifecycle().importKeys(keys.folder().export());
        assertEquals(RefusalCode.NO_TENANT_KEY, refusal(elsewhere));
        elsewhere.lifecycle().newTenantKey(TestKeys.TENANT);
        assertEquals(RefusalCode.DATA_KEY, refusal(elsewhere));
    }

    @Test
    void theDataKeyMustBeTheOneThatWasCommittedTo() throws IOException {
        KeyProvider liar = new KeyProvider() {
            @Override
            public Optional<VerificationKey> publicKey(String kid) throws IOException {
                return keys.publicKey(kid);
            }

            @Override
            public boolean isRevoked(byte[] capsuleId) {
                return false;
            }

            @Override
            public Optional<KeyStatus> epochStatus(String tenant, long epoch) throws IOException {
                return keys.epochStatus(tenant, epoch);
            }

            @Override
            public byte[] sign(String kid, byte[] message) {
                throw new AssertionError("nothing is signed when a capsule is opened");
            }

            @Override
            public long epoch(String tenant) {
                throw new AssertionError("epochs are for sealing");
            }

            @Override
            public byte[] wrap(String tenant, long epoch, byte[] key, byte[] context) {
                throw new AssertionError("nothing is wrapped when a capsule is opened");
            }

            @Override
            public byte[] unwrap(String tenant, long epoch, byte[] wrapped, byte[] context) throws IOException {
                byte[] key = keys.unwrap(tenant, epoch, wrapped, context);
                key[0] ^= 1;
                return key;
            }

            @Override
            public byte[] derive(String tenant, long epoch, String purpose) {
                throw new AssertionError("names are for sealing");
            }
        };
        assertEquals(RefusalCode.DATA_KEY, refusal(liar));
    }
}
