package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.cache.CacheSlice;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.ChunkAddresses;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.ChunkSeal;
import dev.kvcapsule.engine.seal.ChunkSpec;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.engine.seal.SealSpec;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Encodes a cache as chunks, of which only those are made that nobody has, and a tail: a capsule of its own that holds the tokens behind the last chunk, everything of the state that is no
 * tensor, and the signed list of its chunks.
 */
public final class IncrementalEncoder {
    /** A chunk outlives the capsule that it was made for, since later ones go on from it: so many times as long. */
    private static final int CHUNK_LIVES = 8;

    private final SealSpec spec;
    private final KeyProvider keys;
    private final PipelineOptions options;

    /**
     * @param spec what the capsule is to be bound to; its chunks are bound to organisation, tenant and model alone
     * @param keys who signs, wraps and derives
     * @param options how to run
     */
    public IncrementalEncoder(SealSpec spec, KeyProvider keys, PipelineOptions options) {
        this.spec = spec;
        this.keys = keys;
        this.options = options;
    }

    /** Takes what was made, chunks in order, then the tail. */
    public interface Output {
        /** @param bytes valid until this returns */
        void chunk(ChunkRef chunk, MemorySegment bytes) throws IOException;

        /** @param claims the capsule's, its chunks among them. @param bytes valid until this returns */
        void tail(SealClaims claims, MemorySegment bytes) throws IOException;
    }

    /**
     * What was made.
     *
     * @param claims the capsule's, its chunks among them
     * @param tail what encoding the tail measured
     * @param newChunks how many chunks were made
     * @param newBytes bytes of those chunks and of the tail
     */
    public record Encoded(SealClaims claims, EncodeReport tail, int newChunks, long newBytes) {}

    /**
     * Encodes.
     *
     * @param cache one that {@link ChunkPlan#whyNot} has nothing against
     * @param tokens its ids
     * @param known chunks that need not be made
     * @param usable whether one of those still may be used, as far as its maker knows: one that was revoked may not
     */
    public Encoded encode(KvCache cache, ChunkPlan plan, int[] tokens, KnownChunks known, Predicate<ChunkRef> usable, Output out) throws IOException {
        Instant until = noLongerThanKey(spec.notBefore().plus(spec.lifetime()));
        List<ChunkRef> chunks = new ArrayList<>();
        long newBytes = 0;
        int made = 0;
        try (ChunkAddresses addresses = new ChunkAddresses(keys, spec.tenant(), spec.signer(), spec.model(), cache.layout()); ChunkBuffer buffer = new ChunkBuffer()) {
            List<byte[]> wanted = addresses.of(tokens, plan.ends(), plan.codecs());
            for (int c = 0; c < wanted.size(); c++) {
                Optional<ChunkRef> there = known.find(wanted.get(c), until).filter(usable);
                if (there.isPresent()) {
                    chunks.add(there.get());
                    continue;
                }
                ChunkRef chunk = chunk(cache, plan, c, wanted.get(c), buffer);
                out.chunk(chunk, buffer.bytes());
                chunks.add(chunk);
                newBytes += chunk.bytes();
                made++;
            }
            buffer.clear();
            try (CapsuleSeal seal = new CapsuleSeal(spec, chunks, keys); Arena arena = Arena.ofShared()) {
                EncodeReport report = CapsuleEncoder.encode(CacheSlice.tail(cache, plan.chunkedTokens(), arena), plan.tailCodec(), buffer, options, seal);
                out.tail(seal.claims(), buffer.bytes());
                return new Encoded(seal.claims(), report, made, newBytes + buffer.bytes().byteSize());
            }
        }
    }

    private ChunkRef chunk(KvCache cache, ChunkPlan plan, int number, byte[] address, ChunkBuffer buffer) throws IOException {
        buffer.clear();
        ChunkSpec bound = new ChunkSpec(spec.issuer(), spec.signer(), spec.tenant(), spec.scope().org(), address, spec.model(), spec.created(),
                noLongerThanKey(spec.notBefore().plus(spec.lifetime().multipliedBy(CHUNK_LIVES))), spec.aead());
        try (ChunkSeal seal = new ChunkSeal(bound, keys); Arena arena = Arena.ofShared()) {
            CapsuleEncoder.encode(CacheSlice.of(cache, plan.start(number), plan.ends().get(number), arena), plan.codec(number), buffer, options, seal);
            return seal.ref(buffer.bytes().byteSize());
        }
    }

    private Instant noLongerThanKey(Instant wanted) throws IOException {
        return keys.publicKey(spec.signer()).flatMap(key -> key.notAfter()).filter(end -> end.isBefore(wanted)).orElse(wanted);
    }
}
