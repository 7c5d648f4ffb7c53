package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.compare.CacheComparison;
import dev.kvcapsule.engine.increment.ChunkPlan;
import dev.kvcapsule.engine.increment.IncrementalEncoder;
import dev.kvcapsule.engine.increment.KnownChunks;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealSpec;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.serving.files.FolderBases;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.files.TemporaryFolder;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * What incremental checkpoints write, take and cost, against full capsules in the same run: a real state is cut to ten lengths that grow by 256 tokens, each of them is checkpointed, and
 * the tenth is put together again. Prints docs/resume.md's table.
 */
@Command(name = "incremental-figures", mixinStandardHelpOptions = true, description = "Bytes and time of the tenth checkpoint of a session that grows, against a full capsule.")
public final class IncrementalFigures implements Callable<Integer> {
    private static final int CHECKPOINTS = 10;
    private static final int GROWTH = 256;
    private static final double NANOS = 1e9;

    @Parameters(paramLabel = "STATE", description = "A state of SmolLM2-135M with more than 2,560 tokens.")
    private Path state;

    @Option(names = "--basis", paramLabel = "B.kvb", description = "A shared basis, for klt.")
    private Path basis;

    @Option(names = "--chunk", paramLabel = "N", defaultValue = "" + ChunkPlan.CHUNK_TOKENS, description = "Tokens of a chunk (default: ${DEFAULT-VALUE}).")
    private int chunkTokens;

    @Option(names = "--behind", paramLabel = "N", defaultValue = "64", description = "How many tokens the tenth length is short of the whole state (default: ${DEFAULT-VALUE}).")
    private int behind;

    @Option(names = "--rounds", paramLabel = "N", defaultValue = "9", description = "How often each is restored, in turn; the table has medians (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(names = "--codec", paramLabel = "SPEC", description = "Only this one.")
    private String only;

    /** Made by its command line. */
    public IncrementalFigures() {}

    /** Runs it. */
    public static void main(String[] args) {
        System.exit(new CommandLine(new IncrementalFigures()).execute(args));
    }

    private record Row(long full, double fullSeconds, long first, long tenth, double tenthSeconds, int tokens, double restoreFull, double restoreParts,
            double restoreRatio, String fullError, String partsError) {}

    @Override
    public Integer call() throws IOException {
        Map<String, String> codecs = new HashMap<>();
        List<String> names = new ArrayList<>(List.of("lossless", "kivi:bits=4,residual=32,sink=4,entropy=off", "rotated:bits=4"));
        if (basis != null) {
            names.add(CodecSpec.parse("klt:step=1,own=0").with("basis", FolderBases.digest(basis)).toString());
        }
        if (only != null) {
            names = List.of(only);
        }
        try (FolderBases bases = new FolderBases(basis == null ? List.of() : List.of(basis), List.of()); TemporaryFolder work = TemporaryFolder.create("figures")) {
            PipelineOptions options = new PipelineOptions(Runtime.getRuntime().availableProcessors(), Kernels.scalar(), Progress.NONE, bases);
            KeyFolder keys = KeyFolder.open(work.resolve("keys"), null);
            keys.lifecycle().newSigningKey(Optional.of("figures"), KeyStatus.ACTIVE, Instant.now(), Optional.empty());
            keys.lifecycle().newTenantKey("acme");
            List<Path> lengths = cut(work, options);
            System.out.printf(Locale.ROOT, "| codec | tokens | full capsule | tenth checkpoint writes | fewer | full, s | tenth, s | all chunks and tail, against full | decoding: full, s | parts, s | ratio | relative error of K, V: full | parts |%n|---|---|---|---|---|---|---|---|---|---|---|---|---|%n");
            for (String name : names) {
                for (int warm = 0; warm < 1; warm++) {
                    measure(name, lengths, keys, work, options);
                }
                Row row = measure(name, lengths, keys, work, options);
                System.out.printf(Locale.ROOT, "| `%s` | %d | %.2f MB | %.2f MB | %.1f x | %.2f | %.2f | %+.1f%% | %.2f | %.2f | %.2f | %s | %s |%n", name.replaceAll("basis=[0-9a-f]{64}", "basis=..."), row.tokens,
                        row.full / 1e6, row.tenth / 1e6, (double) row.full / row.tenth, row.fullSeconds, row.tenthSeconds, 100.0 * row.first / row.full - 100, row.restoreFull, row.restoreParts, row.restoreRatio, row.fullError, row.partsError);
            }
        }
        return 0;
    }

    private List<Path> cut(TemporaryFolder work, PipelineOptions options) throws IOException {
        Path raw = work.resolve("raw.kvc");
        CapsuleFiles.encode(state, ModelFacts.parse(Samples.SMOLLM2_FACTS), Codecs.create("raw"), raw, options);
        List<Path> lengths = new ArrayList<>();
        try (InputFile in = InputFile.open(state)) {
            int tokens = Math.toIntExact(CacheFormats.read(in.bytes(), ModelFacts.parse(Samples.SMOLLM2_FACTS)).layout().tokens()) - behind;
            for (int c = CHECKPOINTS - 1; c >= 0; c--) {
                Path file = work.resolve("state-" + c);
                CapsuleFiles.decode(raw, Optional.empty(), OptionalInt.of(tokens - c * GROWTH), file, options);
                lengths.add(file);
            }
        }
        Files.delete(raw);
        return lengths;
    }

    private static SealSpec spec() {
        Instant now = Instant.now();
        return new SealSpec("figures", "figures", "acme", new Scope("acme", "ann", Optional.of("s"), Optional.empty()), now, now, Duration.ofDays(7), 0, Optional.empty(), Optional.empty(), Optional.empty(),
                AeadAlgorithm.AES_256_GCM);
    }

    private Row measure(String name, List<Path> lengths, KeyFolder keys, TemporaryFolder work, PipelineOptions options) throws IOException {
        KnownChunks known = new KnownChunks();
        Codec codec = Codecs.create(name);
        Map<String, byte[]> store = new HashMap<>();
        IncrementalEncoder.Encoded last = null;
        byte[][] tail = new byte[1][];
        double seconds = 0;
        for (Path length : lengths) {
            try (InputFile in = InputFile.open(length)) {
                KvCache cache = CacheFormats.read(in.bytes(), ModelFacts.parse(Samples.SMOLLM2_FACTS));
                int[] tokens = PromptTokens.of(cache).orElseThrow();
                long start = System.nanoTime();
                last = new IncrementalEncoder(spec(), keys, options).encode(cache, ChunkPlan.of(cache.layout(), codec, chunkTokens), tokens, known, chunk -> true, new IncrementalEncoder.Output() {
                    @Override
                    public void chunk(ChunkRef chunk, MemorySegment bytes) {
                        store.put(chunk.key(), bytes.toArray(ValueLayout.JAVA_BYTE));
                    }

                    @Override
                    public void tail(SealClaims claims, MemorySegment bytes) {
                        tail[0] = bytes.toArray(ValueLayout.JAVA_BYTE);
                    }
                });
                seconds = (System.nanoTime() - start) / NANOS;
                known.add(last.claims().chunks());
            }
        }
        long whole = tail[0].length + last.claims().chunks().stream().mapToLong(ChunkRef::bytes).sum();
        try (InputFile in = InputFile.open(lengths.getLast())) {
            KvCache cache = CacheFormats.read(in.bytes(), ModelFacts.parse(Samples.SMOLLM2_FACTS));
            Path full = work.resolve("full.kvc");
            long start = System.nanoTime();
            long fullBytes;
            double fullSeconds;
            try (FileChannel out = FileChannel.open(full, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE); CapsuleSeal seal = new CapsuleSeal(spec(), keys)) {
                CapsuleEncoder.encode(cache, codec, out, options, seal);
                fullSeconds = (System.nanoTime() - start) / NANOS;
                fullBytes = out.size();
            }
            byte[] fullCapsule = Files.readAllBytes(full);
            Path restored = work.resolve("restored");
            double[] ofFull = new double[rounds];
            double[] ofParts = new double[rounds];
            double[] ratios = new double[rounds];
            for (int round = 0; round < rounds; round++) {
                ofFull[round] = restore(fullCapsule, Map.of(), keys, restored, options);
                ofParts[round] = restore(tail[0], store, keys, restored, options);
                ratios[round] = ofParts[round] / ofFull[round];
            }
            String error = error(cache, restored);
            restore(fullCapsule, Map.of(), keys, restored, options);
            return new Row(fullBytes, fullSeconds, whole, last.newBytes(), seconds, Math.toIntExact(cache.layout().tokens()), median(ofFull), median(ofParts), median(ratios),
                    error(cache, restored), error);
        }
    }

    private static double median(double[] values) {
        return Arrays.stream(values).sorted().skip(values.length / 2).findFirst().orElseThrow();
    }

    /** @return seconds */
    private static double restore(byte[] tail, Map<String, byte[]> store, KeyFolder keys, Path file, PipelineOptions options) throws IOException {
        Files.deleteIfExists(file);
        RestorePolicy policy = RestorePolicy.of(new Caller("acme", "ann", Optional.of("s"), Set.of()));
        try (Arena arena = Arena.ofShared()) {
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, tail);
            long start = System.nanoTime();
            try (CapsuleOpening opening = CapsuleOpening.incremental(keys, policy);
                    FileChannel out = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                CapsuleFiles.decode(CapsuleReader.of(bytes, opening), opening, (chunk, a) -> Optional.ofNullable(store.get(chunk.key())).map(found -> a.allocateFrom(ValueLayout.JAVA_BYTE, found)),
                        Optional.empty(), OptionalInt.empty(), out, options);
            }
            return (System.nanoTime() - start) / NANOS;
        }
    }

    private static String error(KvCache original, Path restored) throws IOException {
        try (InputFile in = InputFile.open(restored)) {
            CacheComparison difference = CacheComparison.of(original, CacheFormats.read(in.bytes(), ModelFacts.parse(Samples.SMOLLM2_FACTS)), Kernels.scalar(), Progress.NONE);
            return String.format(Locale.ROOT, "%.4f, %.4f", difference.keys().relativeError(), difference.values().relativeError());
        }
    }
}
