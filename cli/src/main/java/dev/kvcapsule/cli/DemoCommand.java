package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.compare.CacheComparison;
import dev.kvcapsule.engine.compare.LayerDifference;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.files.TemporaryFolder;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The main job, on real data that comes with the program. */
@Command(name = "demo", mixinStandardHelpOptions = true,
        description = "Encodes a real KV cache with every codec, verifies and decodes the capsules, and shows what it cost; then seals one, and shows who gets it back.",
        footerHeading = "%nExamples:%n", footer = {"  capsule demo", "  capsule demo --json | jq .codecs"})
final class DemoCommand implements Callable<Integer> {
    private static final List<String> CODECS = List.of("raw", "lossless", "fp8", "kivi:bits=4,entropy=off", "kivi:bits=4", "kivi:bits=4,group=64,rope=pre,residual=32,sink=4", "kivi:bits=2", "rotated:bits=4,entropy=off",
            "rotated:bits=4", "rotated:bits=3", "rotated:bits=2", "klt:basis=none", "svd", "cachegen");
    private static final int RUNS = 4;
    private static final String COLUMNS = "%-" + CODECS.stream().mapToInt(String::length).max().orElse(0) + "s  %7s  %6s  %10s  %10s  %12s  %10s  %10s";

    @Mixin
    private CommonOptions options;

    private record Row(String codec, long capsuleBytes, double ratio, CacheComparison comparison, double attention, double encodeSeconds, double decodeSeconds) {}

    @Override
    public Integer call() throws IOException {
        try (TemporaryFolder folder = TemporaryFolder.create("demo")) {
            run(folder);
        }
        return ExitCode.DONE;
    }

    private void run(TemporaryFolder folder) throws IOException {
        Path state = folder.resolve("sample.ggsq");
        try (InputStream sample = Samples.smollm2Code512()) {
            Files.copy(sample, state);
        }
        long stateBytes = Files.size(state);
        ModelFacts facts = ModelFacts.parse(Samples.SMOLLM2_FACTS);
        try (InputFile in = InputFile.open(state)) {
            KvCache cache = CacheFormats.read(in.bytes(), facts);
            if (!options.json()) {
                options.out().printf(Locale.ROOT, "SmolLM2-135M after %d tokens of source code: %d layers, %s%n%n", cache.layout().tokens(), cache.layout().layers(),
                        Sizes.text(stateBytes));
                options.out().println(String.format(Locale.ROOT, COLUMNS, "codec", "size", "ratio", "error of K", "error of V", "of attention", "encode", "decode"));
                options.out().flush();
            }
            List<Row> rows = new ArrayList<>();
            for (String codec : CODECS) {
                Row row = measure(Codecs.create(codec), codec, state, cache, facts, folder);
                rows.add(row);
                print(row, stateBytes);
            }
            Codec codec = Codecs.create(CODECS.getLast());
            Map<String, Object> seal = DemoSeal.run(folder, state, facts, codec, options.pipeline(codec.spec(), Long.MAX_VALUE, Progress.NONE, Bases.NONE));
            finish(cache, rows, stateBytes, seal);
        }
    }

    private Row measure(Codec codec, String name, Path state, KvCache cache, ModelFacts facts, TemporaryFolder folder) throws IOException {
        Path capsule = folder.resolve("sample.kvc");
        Path restored = folder.resolve("restored.ggsq");
        PipelineOptions pipeline = options.pipeline(codec.spec(), Long.MAX_VALUE, Progress.NONE, Bases.NONE);
        double encode = Double.MAX_VALUE;
        double decode = Double.MAX_VALUE;
        EncodeReport report = null;
        for (int run = 0; run < RUNS; run++) {
            long start = System.nanoTime();
            report = CapsuleFiles.encode(state, facts, codec, capsule, pipeline);
            encode = Math.min(encode, (System.nanoTime() - start) / 1e9);
            start = System.nanoTime();
            CapsuleFiles.decode(capsule, Optional.empty(), OptionalInt.empty(), restored, pipeline);
            decode = Math.min(decode, (System.nanoTime() - start) / 1e9);
        }
        try (InputFile in = InputFile.open(capsule)) {
            CapsuleFiles.verify(CapsuleReader.of(in.bytes()), pipeline);
        }
        if (codec.isLossless() && Files.mismatch(state, restored) >= 0) {
            throw new IllegalStateException("codec " + codec.spec() + " is lossless and did not give back the file");
        }
        try (InputFile in = InputFile.open(restored)) {
            CacheComparison comparison = CacheComparison.of(cache, CacheFormats.read(in.bytes(), facts), pipeline.kernels().onHost(), Progress.NONE);
            double attention = comparison.layers().stream().mapToDouble(LayerDifference::attention).average().orElse(0);
            return new Row(name, report.capsuleBytes(), (double) Files.size(state) / report.capsuleBytes(), comparison, attention, encode, decode);
        }
    }

    private void print(Row row, long stateBytes) {
        if (!options.json()) {
            options.out().println(String.format(Locale.ROOT, COLUMNS, row.codec(), Sizes.text(row.capsuleBytes()), String.format(Locale.ROOT, "%.2fx", row.ratio()),
                    error(row.comparison().keys().relativeError()), error(row.comparison().values().relativeError()), error(row.attention()),
                    Sizes.text((long) (stateBytes / row.encodeSeconds())) + "/s", Sizes.text((long) (stateBytes / row.decodeSeconds())) + "/s"));
            options.out().flush();
        }
    }

    private static String error(double relative) {
        return relative == 0 ? "0" : String.format(Locale.ROOT, "%.2e", relative);
    }

    private void finish(KvCache cache, List<Row> rows, long stateBytes, Map<String, Object> seal) {
        if (!options.json()) {
            options.out().printf(Locale.ROOT, "%nErrors are relative (0 is no difference); times are of files, the best of %d runs on %d threads, flushed to the disk.%n", RUNS,
                    options.threads());
            options.out().printf("%nThe same capsule sealed for user ann, with keys made for this run:%n");
            seal.forEach((who, outcome) -> options.out().printf("  %-36s %s%n", who, outcome.equals("restored") ? outcome : "refused: " + outcome));
            return;
        }
        List<Object> codecs = new ArrayList<>();
        for (Row row : rows) {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("codec", row.codec());
            fields.put("capsule_bytes", row.capsuleBytes());
            fields.put("ratio", row.ratio());
            fields.put("k_error", row.comparison().keys().relativeError());
            fields.put("v_error", row.comparison().values().relativeError());
            fields.put("attention_error", row.attention());
            fields.put("encode_seconds", row.encodeSeconds());
            fields.put("decode_seconds", row.decodeSeconds());
            codecs.add(fields);
        }
        double seconds = rows.stream().mapToDouble(row -> row.encodeSeconds() + row.decodeSeconds()).sum();
        Row best = rows.stream().max(Comparator.comparingDouble(Row::ratio)).orElseThrow();
        options.out().println(new JsonReport()
                .put("tokens", cache.layout().tokens())
                .put("layers", cache.layout().layers())
                .put("raw_bytes", stateBytes)
                .put("capsule_bytes", best.capsuleBytes())
                .put("ratio", best.ratio())
                .put("seconds", seconds)
                .put("codec", best.codec())
                .put("codecs", codecs)
                .put("seal", seal));
    }
}
