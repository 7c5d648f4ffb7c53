package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.SealSpec;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.serving.files.FolderBases;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** State to capsule. */
@Command(name = "encode", mixinStandardHelpOptions = true, description = "Encodes a KV cache as a capsule.", sortOptions = false, footerHeading = "%nFormats of STATE:%n", footer = {
    "  llama.cpp GGSQ v2/v3, llama_state_seq_get_data buffer, GGSN, safetensors; found by their magic.", "", "Profiles:",
    "  exact     lossless", "  fast      4 bits at memory speed", "  balanced  4 bits, rotated and entropy-coded", "  small     3 bits, rotated and entropy-coded", "  With --basis, balanced and small are klt: about 28 and 50 times smaller.", "", "Examples:",
    "  capsule encode slot.bin -o slot.kvc --model model.gguf --scope org=acme,user=ann", "  capsule encode slot.bin -o slot.kvc --codec kivi:bits=4,group=64 --unsealed",
    "  capsule encode slot.bin -o slot.kvc --model model.gguf --basis model.kvb --codec klt:ratio=40 --scope org=acme,user=ann,session=s1 --expires 12h", "  capsule encode --codec kivi:help",
    "  capsule encode - -o - --profile fast --unsealed < slot.bin | ssh host 'capsule decode - -o slot.bin --unsealed'"})
final class EncodeCommand implements Callable<Integer> {
    @Parameters(paramLabel = "STATE", arity = "0..1", description = "The cache's file; - is standard input.")
    private Path state;

    @Option(names = {"-o", "--output"}, paramLabel = "OUT.kvc", description = "The capsule; - is standard output.")
    private Path output;

    @Option(names = "--codec", paramLabel = "SPEC", description = "NAME or NAME:key=value,...; NAME:help lists its parameters, help lists the names.")
    private String codec;

    @Option(names = "--profile", paramLabel = "P", description = "exact, fast, balanced (the default) or small.", converter = Profile.Converter.class)
    private Profile profile;

    @Mixin
    private ModelOptions model;

    @Mixin
    private BasisOptions basis;

    @Mixin
    private SealOptions seal;

    @Mixin
    private CommonOptions options;

    @Override
    public Integer call() throws IOException {
        if (codec != null && (codec.equals("help") || codec.endsWith(":help"))) {
            return help();
        }
        if (state == null) {
            throw new Failures.UsageException("which state? Give its file, or - for standard input");
        }
        if (output == null) {
            throw new Failures.UsageException("where to? Give -o OUT.kvc, or -o - for standard output");
        }
        Codec chosen = codec();
        ModelFacts facts = model.facts();
        boolean standard = Inputs.isStandardOutput(output);
        if (standard && options.json()) {
            throw new Failures.UsageException("--json and the capsule cannot both go to standard output");
        }
        long start = System.nanoTime();
        SealSpec plan = seal.isSealed() ? seal.plan(model.identity(options.err()), options.err()) : null;
        try (InputFile in = Inputs.open(state); FolderBases bases = basis.open(state); ProgressBar bar = ProgressBar.start("encoding", options.err())) {
            KvCache cache = Inputs.read(in, state, facts);
            PipelineOptions pipeline = options.pipeline(chosen.spec(), cache.layout().tensorBytes(), bar, bases);
            try (CapsuleSeal sealing = plan == null ? null : seal.seal(plan, cache)) {
                EncodeReport report = Inputs.writing(output, () -> encode(cache, chosen, pipeline, sealing));
                if (sealing != null) {
                    seal.written(sealing.claims());
                }
                bar.clear();
                noteUnknownRope(cache, chosen);
                print(cache, report, in.bytes().byteSize(), (System.nanoTime() - start) / 1e9, standard, sealing);
            }
        }
        return ExitCode.DONE;
    }

    private EncodeReport encode(KvCache cache, Codec chosen, PipelineOptions pipeline, CapsuleSeal sealing) throws IOException {
        if (Inputs.isStandardOutput(output)) {
            return CapsuleEncoder.encode(cache, chosen, Inputs.marked(Inputs.standardOutput()), pipeline, sealing);
        }
        try (AtomicOutput out = AtomicOutput.create(output)) {
            EncodeReport report = CapsuleEncoder.encode(cache, chosen, Inputs.marked(out.channel()), pipeline, sealing);
            out.commit();
            return report;
        }
    }

    /** A codec that would work on keys before RoPE works on them as they are if nobody says how they were rotated: worse, and silently so. */
    private void noteUnknownRope(KvCache cache, Codec chosen) {
        boolean unknown = cache.layout().subCaches().stream().flatMap(sub -> sub.layers().stream()).noneMatch(layer -> layer.rope().isPresent());
        if (unknown && ("pre".equals(chosen.spec().parameters().get("rope")) || chosen.spec().name().equals("klt"))) {
            options.err().println("capsule: note: heads and RoPE of the model are unknown, keys are coded as they are; --model or --model-facts does better");
        }
    }

    private Codec codec() throws IOException {
        if (codec != null && profile != null) {
            throw new Failures.UsageException("--codec and --profile both choose a codec: give one of them");
        }
        Optional<String> digest = basis.digest();
        try {
            Optional<CodecSpec> spec = Optional.ofNullable(codec).map(CodecSpec::parse);
            String name = spec.map(CodecSpec::name).orElse(Profile.BASIS_CODEC);
            if (digest.isPresent() && !basis.codec().equals(Optional.of(name))) {
                throw new Failures.UsageException("--basis is for codec " + basis.codec().get() + ", not for " + name + (codec == null ? ": choose it with --codec" : ""));
            }
            if (spec.isEmpty()) {
                return (profile == null ? Profile.BALANCED : profile).codec(digest);
            }
            return Codecs.create(digest.isPresent() ? spec.get().with("basis", digest.get()) : spec.get());
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }

    private int help() {
        if (codec.equals("help")) {
            for (CodecFactory factory : Codecs.all()) {
                options.out().printf("%-10s %s%n", factory.name(), factory.description());
            }
            return ExitCode.DONE;
        }
        try {
            CodecFactory factory = Codecs.factory(codec.substring(0, codec.length() - ":help".length()));
            options.out().println(factory.name() + ": " + factory.description());
            for (CodecParameter parameter : factory.parameters()) {
                options.out().printf("  %-10s %-14s default %-6s %s%n", parameter.name(), parameter.range(), parameter.fallback(), parameter.description());
            }
            return ExitCode.DONE;
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }

    /** A step is chosen on a sample: what the whole came to is told if it is not what was asked for. */
    private void warnIfNotReached(EncodeReport report, double ratio) {
        Map<String, String> asked = report.manifest().codec().parameters();
        String wanted = asked.getOrDefault("ratio", CodecParameter.AUTO);
        if (!wanted.equals(CodecParameter.AUTO) && ratio < Double.parseDouble(wanted)) {
            options.err().printf(Locale.ROOT, "capsule: warning: ratio %.2f, asked for %s%n", ratio, wanted);
        }
        String most = asked.getOrDefault("max-error", CodecParameter.AUTO);
        if (!most.equals(CodecParameter.AUTO) && report.trailer().weightedError().orElse(0) > Double.parseDouble(most)) {
            options.err().printf(Locale.ROOT, "capsule: warning: weighted error %.4g, asked for at most %s%n", report.trailer().weightedError().getAsDouble(), most);
        }
    }

    private void print(KvCache cache, EncodeReport report, long rawBytes, double seconds, boolean standard, CapsuleSeal sealing) {
        if (report.trailer().losslessTiles() > 0) {
            options.err().println("capsule: warning: " + report.trailer().losslessTiles() + " of " + report.tiles()
                    + " tiles hold infinities, NaN or extremes and were coded losslessly");
        }
        warnIfNotReached(report, (double) rawBytes / report.capsuleBytes());
        report.trailer().fit().filter(fit -> !fit.isGood())
                .ifPresent(fit -> options.err().println("capsule: warning: " + BasisFitText.of(fit) + ": " + BasisFitText.advice()));
        if (sealing == null) {
            options.noteUnsealed(standard ? "standard output" : output.toString());
        }
        double ratio = (double) rawBytes / report.capsuleBytes();
        if (options.json()) {
            JsonReport json = new JsonReport()
                    .put("tokens", cache.layout().tokens())
                    .put("layers", cache.layout().layers())
                    .put("raw_bytes", rawBytes)
                    .put("capsule_bytes", report.capsuleBytes())
                    .put("ratio", ratio)
                    .put("seconds", seconds)
                    .put("codec", report.manifest().codec().toString())
                    .put("tiles", report.tiles())
                    .put("lossless_tiles", report.trailer().losslessTiles())
                    .put("relative_error", report.trailer().relativeError())
                    .put("sealed", sealing != null);
            report.trailer().fit().ifPresent(fit -> json.put("basis_fit", BasisFitText.fields(fit)));
            if (sealing != null) {
                json.put("seal", SealReport.of(sealing.claims()));
            }
            options.report(json);
            options.out().println(json);
        } else if (!standard) {
            options.out().printf(Locale.ROOT, "%s: %d tokens, %d layers, %s -> %s (%.2fx), relative error %.2g, %s%.2f s%n", output, cache.layout().tokens(),
                    cache.layout().layers(), Sizes.text(rawBytes), Sizes.text(report.capsuleBytes()), ratio, report.trailer().relativeError(),
                    sealing == null ? "" : "sealed until " + sealing.claims().expires() + ", ", seconds);
        }
    }
}
