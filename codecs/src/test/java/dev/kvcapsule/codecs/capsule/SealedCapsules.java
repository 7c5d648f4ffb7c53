package dev.kvcapsule.codecs.capsule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealSpec;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.Channels;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Sealed capsules in byte arrays. */
final class SealedCapsules {
    static final Scope SCOPE = new Scope("acme", "ann", Optional.of("session-7"), Optional.of("restore"));
    static final Caller CALLER = new Caller("acme", "ann", Optional.of("session-7"), Set.of("restore", "save"));

    private SealedCapsules() {}

    static SealSpec spec() {
        return spec(TestKeys.KID, 1);
    }

    static SealSpec spec(String kid, long generation) {
        SealSpec plain = SealSpec.of("issuer", kid, TestKeys.TENANT, SCOPE, TestKeys.NOW);
        return new SealSpec(plain.issuer(), kid, plain.tenant(), plain.scope(), plain.created(), plain.notBefore(), plain.lifetime(), generation, plain.model(), plain.runtime(),
                plain.tokens(), plain.aead());
    }

    static byte[] seal(KvCache cache, String codec, KeyProvider keys, SealSpec spec, PipelineOptions options) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (CapsuleSeal seal = new CapsuleSeal(spec, keys)) {
            CapsuleEncoder.encode(cache, Codecs.create(codec), Channels.newChannel(out), options, seal);
        }
        return out.toByteArray();
    }

    static byte[] seal(KvCache cache, String codec, KeyProvider keys) throws IOException {
        return seal(cache, codec, keys, spec(), Capsules.ONE_THREAD);
    }

    static RestorePolicy policy() {
        return policy(CALLER, RestoreContext.UNCHECKED, TestKeys.NOW.plusSeconds(60), new ArrayList<>());
    }

    /** @param log takes what the operator hears */
    static RestorePolicy policy(Caller caller, RestoreContext context, Instant now, List<RefusalCode> log) {
        return new RestorePolicy(caller, context, () -> now, Optional.empty(), false, (code, detail) -> log.add(code));
    }

    /** Decodes a capsule in memory, or refuses it; what the sink is left with is the caller's to check. */
    static Trailer open(CapsuleReader reader, CacheSink target) throws IOException {
        CapsuleDecoder decoder = new CapsuleDecoder(reader);
        try (Arena arena = Arena.ofShared()) {
            reader.blobs(arena);
        }
        return decoder.decode(target, Capsules.ONE_THREAD);
    }

    static Trailer open(MemorySegment capsule, KeyProvider keys, RestorePolicy policy, CacheSink target) throws IOException {
        try (CapsuleOpening opening = new CapsuleOpening(keys, policy)) {
            return open(CapsuleReader.of(capsule, opening), target);
        }
    }

    static Trailer open(byte[] capsule, KeyProvider keys, RestorePolicy policy, CacheSink target) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            return open(Capsules.mapped(capsule, arena), keys, policy, target);
        }
    }

    /** Opens a capsule that must be refused, and sees to it that the target holds nothing but zeros afterwards. @return why */
    static RefusalCode refusal(MemorySegment capsule, KeyProvider keys, RestorePolicy policy, KvCache target) {
        CacheSink sink = CacheSink.of(target);
        zero(target);
        CapsuleRefusedException refused = assertThrows(CapsuleRefusedException.class, () -> open(capsule, keys, policy, sink));
        assertHoldsNothing(target);
        return refused.code();
    }

    static RefusalCode refusal(byte[] capsule, KeyProvider keys, RestorePolicy policy, KvCache target) {
        try (Arena arena = Arena.ofShared()) {
            return refusal(Capsules.mapped(capsule, arena), keys, policy, target);
        }
    }

    private static void zero(KvCache target) {
        forEachTensor(target, tensor -> tensor.fill((byte) 0));
    }

    private static void forEachTensor(KvCache cache, java.util.function.Consumer<MemorySegment> action) {
        CacheLayout layout = cache.layout();
        for (int s = 0; s < layout.subCaches().size(); s++) {
            for (int l = 0; l < layout.subCaches().get(s).layers().size(); l++) {
                for (Part part : Part.values()) {
                    action.accept(cache.tensor(s, l, part));
                }
            }
        }
    }

    static void assertHoldsNothing(KvCache target) {
        forEachTensor(target, tensor -> assertEquals(-1, tensor.mismatch(MemorySegment.ofArray(new byte[(int) tensor.byteSize()])), "a tensor was released"));
    }
}
