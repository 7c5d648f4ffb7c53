package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.increment.ChunkPlan;
import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.increment.KnownChunks;
import dev.kvcapsule.engine.keys.GenerationStore;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealSpec;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** A slot's state as a sealed capsule: saved by the server, mapped, its file removed at once, then encoded while it is sent. */
final class SlotExport {
    private final GatewayOptions options;
    private final LlamaServer server;
    private final Slots slots;
    private final SlotFolder folder;

    SlotExport(GatewayOptions options, LlamaServer server, Slots slots, SlotFolder folder) {
        this.options = options;
        this.server = server;
        this.slots = slots;
        this.folder = folder;
    }

    /** A slot's state that is ready to be encoded. Closing it gives the memory back. */
    final class Snapshot implements AutoCloseable {
        private final InputFile state;
        private final KvCache cache;
        private final OptionalLong contextTokens;

        private Snapshot(InputFile state, KvCache cache, OptionalLong contextTokens) {
            this.state = state;
            this.cache = cache;
            this.contextTokens = contextTokens;
        }

        /** Tokens that the slot takes; empty if the server does not say. */
        OptionalLong contextTokens() {
            return contextTokens;
        }

        long tokens() {
            return cache.layout().tokens();
        }

        long bytes() {
            return state.bytes().byteSize();
        }

        /** The digest of its first tokens; empty if it holds fewer, or does not tell them. */
        Optional<String> digest(int tokens) throws IOException {
            return PromptTokens.of(cache).filter(ids -> ids.length >= tokens).map(ids -> PromptTokens.digest(ids, tokens));
        }

        /** Encodes and seals it into that channel. */
        EncodeReport encode(CapsuleSeal seal, WritableByteChannel out) throws IOException {
            return CapsuleEncoder.encode(cache, options.codec(), out, options.pipeline(), seal);
        }

        /** Why it cannot be sent as chunks and a tail; empty if it can. */
        Optional<String> whyWhole() throws IOException {
            return ChunkPlan.whyNot(cache.layout(), options.codec(), PromptTokens.of(cache));
        }

        /**
         * Encodes and seals it as chunks and a tail.
         *
         * @param known chunks that the caller has: they are not made
         * @param out takes what is made
         */
        IncrementalEncoder.Encoded encode(Scope scope, Optional<Duration> lifetime, KnownChunks known, IncrementalEncoder.Output out) throws IOException {
            IncrementalEncoder encoder = new IncrementalEncoder(spec(scope, lifetime), options.keys(), options.pipeline());
            return encoder.encode(cache, ChunkPlan.of(cache.layout(), options.codec()), PromptTokens.of(cache).orElseThrow(), known, this::isGood, out);
        }

        /** A caller says what it has, and hurts itself alone with what is not so; but what was revoked it cannot know. */
        private boolean isGood(ChunkRef chunk) {
            try {
                return !options.keys().isRevoked(HexFormat.of().parseHex(chunk.id()));
            } catch (IOException e) {
                return false;
            }
        }

        /** The seal of its capsule. */
        CapsuleSeal seal(Scope scope, Optional<Duration> lifetime) throws IOException {
            return new CapsuleSeal(spec(scope, lifetime), options.keys());
        }

        private SealSpec spec(Scope scope, Optional<Duration> lifetime) throws IOException {
            Instant now = Instant.now();
            Duration wanted = lifetime.filter(shorter -> shorter.compareTo(options.lifetime()) < 0).orElse(options.lifetime());
            Optional<GenerationStore.Session> session = scope.session().map(name -> new GenerationStore.Session(scope.org(), scope.user(), name));
            long generation = session.isPresent() ? options.generations().next(session.get()) : 0;
            return new SealSpec("capsule gateway", options.signer(), scope.org(), scope, now, now, wanted, generation, options.model(), Optional.empty(), PromptTokens.of(cache),
                    AeadAlgorithm.AES_256_GCM);
        }

        @Override
        public void close() {
            state.close();
        }
    }

    /**
     * Takes a copy of a slot; the slot is free again when this returns.
     *
     * @throws RequestException if it is not the caller's, or empty
     */
    Snapshot snapshot(Principal principal, int slot) throws IOException, InterruptedException {
        String name = folder.newName();
        InputFile state = null;
        try (SlotLease lease = slots.acquire(principal, OptionalInt.of(slot), SlotTable.Use.READ)) {
            if (server.save(lease.slot(), name) == 0) {
                throw new RequestException(409, "empty-slot", "the slot holds no tokens");
            }
            state = InputFile.open(folder.file(name));
        } finally {
            // Mapped memory stays when its file's name is gone: nothing is left of it however the gateway ends.
            folder.delete(name);
        }
        try {
            return new Snapshot(state, CacheFormats.read(state.bytes(), options.facts()), server.contextTokens());
        } catch (IOException | RuntimeException e) {
            state.close();
            throw e;
        }
    }
}
