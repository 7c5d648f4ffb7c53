package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.increment.PartsInput;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.RefusalLog;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.serving.files.DecodeReport;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.llamacpp.GgsqFormat;
import dev.kvcapsule.serving.llamacpp.ModelFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A capsule, whole or in parts, into a slot. It is decoded while it arrives, into a file of its own that the server does not know; only when every tile, the trailer and the seal hold does the
 * server hear of it. Then what the server reuses is measured ({@link ReuseProbe}), and the state is put back.
 */
final class SlotRestore {
    private final GatewayOptions options;
    private final LlamaServer server;
    private final Slots slots;
    private final SlotFolder folder;
    private final ReuseProbe probe;

    SlotRestore(GatewayOptions options, LlamaServer server, Slots slots, SlotFolder folder) {
        this.options = options;
        this.server = server;
        this.slots = slots;
        this.folder = folder;
        this.probe = new ReuseProbe(server);
    }

    /**
     * What came of it.
     *
     * @param claims the capsule's
     * @param slot where it is
     * @param tokens that the capsule holds
     * @param stateBytes of the state it became
     * @param evaluation what evaluating those tokens took; empty if the capsule does not say which they are
     * @param decodeSeconds from the first byte until everything had been verified
     * @param restoreSeconds of the server's, both times
     * @param measureSeconds for finding out what it reuses
     */
    record Restored(SealClaims claims, int slot, long tokens, long stateBytes, Optional<LlamaServer.Evaluation> evaluation, double decodeSeconds, double restoreSeconds,
            double measureSeconds) {
        /** Whether the cache is of use, as far as that could be measured: llama-server says that a restore went well even where it will evaluate everything again. */
        boolean isReused() {
            return evaluation.isEmpty() || evaluation.get().isReuse();
        }
    }

    /**
     * Restores.
     *
     * @param session that the caller is in
     * @param slot where to; empty for any
     * @param fork whether an older capsule of the session may be taken
     * @param prefix of the capsule that is wanted; empty for all of it
     * @param log hears true reasons of refusals
     * @throws CapsuleRefusedException if the capsule is refused; the slot is as it was
     * @throws LlamaServer.ServerRefusedException if the server does not take the state
     */
    Restored restore(Principal principal, Optional<String> session, OptionalInt slot, boolean fork, Optional<PrefixWish> prefix, ReadableByteChannel capsule, RefusalLog log)
            throws IOException, InterruptedException {
        String name = folder.newName();
        try {
            long start = System.nanoTime();
            RestoreContext context = new RestoreContext(options.model(), Optional.empty(), Optional.of(ModelFile.structure(options.facts())), Optional.empty(), false);
            RestorePolicy policy = new RestorePolicy(principal.caller(session), context, InstantSource.system(), Optional.of(options.generations()), fork, log);
            DecodeReport report;
            SealClaims claims;
            try (FileChannel file = folder.create(name); CapsuleOpening opening = CapsuleOpening.incremental(options.keys(), policy)) {
                PartsInput parts = PartsInput.begin(capsule);
                CapsuleReader reader = CapsuleReader.of(parts.capsule(), opening);
                requireKnownModel(opening.claims(), log);
                report = decode(reader, opening, parts, prefix, file, log);
                claims = opening.claims();
            }
            if (prefix.isPresent()) {
                prefix.get().check(tokens(name), log);
            }
            double decoded = (System.nanoTime() - start) / 1e9;
            try (SlotLease lease = slots.acquire(principal, slot, SlotTable.Use.REPLACE)) {
                return handOver(name, claims, report, lease.slot(), decoded);
            }
        } finally {
            folder.delete(name);
        }
    }

    private DecodeReport decode(CapsuleReader reader, CapsuleOpening opening, PartsInput parts, Optional<PrefixWish> prefix, FileChannel file, RefusalLog log) throws IOException {
        OptionalInt tokens = prefix.map(wish -> OptionalInt.of(wish.tokens())).orElse(OptionalInt.empty());
        try {
            return CapsuleFiles.decode(reader, opening, parts, Optional.of(GgsqFormat.NAME), tokens, file, options.pipeline());
        } catch (UnsupportedOperationException e) {
            if (prefix.isEmpty()) {
                throw e;
            }
            String detail = MalformedDataException.oneLine(String.valueOf(e.getMessage()));
            log.refused(RefusalCode.CANNOT_CUT, detail);
            throw new CapsuleRefusedException(RefusalCode.CANNOT_CUT, detail);
        }
    }

    /** What is bound to a model needs one that is known: the server compares no more than sizes. */
    private void requireKnownModel(SealClaims claims, RefusalLog log) throws IOException {
        if (claims.model().isPresent() && options.model().isEmpty()) {
            String detail = "is bound to a model, and this gateway was not told (--model) which one runs here";
            log.refused(RefusalCode.WRONG_MODEL, detail);
            throw new CapsuleRefusedException(RefusalCode.WRONG_MODEL, detail);
        }
    }

    private Restored handOver(String name, SealClaims claims, DecodeReport report, int slot, double decoded) throws IOException, InterruptedException {
        long start = System.nanoTime();
        server.restore(slot, name);
        long restored = System.nanoTime();
        Optional<int[]> tokens = tokens(name);
        Optional<LlamaServer.Evaluation> evaluation = Optional.empty();
        long measured = restored;
        long again = restored;
        if (tokens.isPresent()) {
            evaluation = Optional.of(probe.measure(slot, tokens.get()));
            measured = System.nanoTime();
            if (evaluation.get().isReuse()) {
                server.restore(slot, name);
            }
            again = System.nanoTime();
        }
        return new Restored(claims, slot, report.written().tokens(), report.stateBytes(), evaluation, decoded, (restored - start + again - measured) / 1e9, (measured - restored) / 1e9);
    }

    /** The tokens of a state; empty if it does not tell them, or holds images, which have no ids. */
    private Optional<int[]> tokens(String name) throws IOException {
        try (InputFile in = InputFile.open(folder.file(name))) {
            return PromptTokens.of(CacheFormats.read(in.bytes(), options.facts())).filter(ids -> ids.length > 0 && Arrays.stream(ids).allMatch(id -> id >= 0));
        }
    }
}
