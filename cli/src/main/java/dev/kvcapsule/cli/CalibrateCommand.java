package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.calibration.GroupWidth;
import dev.kvcapsule.engine.calibration.PartialDescription;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.calibration.WeightSums;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.seal.FileSignature;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.calibration.ModelReadings;
import dev.kvcapsule.serving.llamacpp.runtime.LibLlama;
import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Texts, states or partial sums to a shared basis, or to partial sums. */
@Command(name = "calibrate", mixinStandardHelpOptions = true, sortOptions = false, description = "Makes the basis that capsules of one model share.",
        footerHeading = "%nExamples:%n", footer = {"  capsule calibrate --model model.gguf --text a.txt b.md c.py -o model.kvb      (CAPSULE_LIBLLAMA names the folder of libllama)",
            "  capsule calibrate --model model.gguf slot1.bin slot2.bin -o model.kvb",
            "  capsule calibrate --model model.gguf --text a.txt b.md --partial -o a.kvs      (on one machine; others do the same with other texts)",
            "  capsule calibrate a.kvs b.kvs -o model.kvb      (a basis of all of them; --partial -o all.kvs: their sums)", "  capsule encode slot.bin -o slot.kvc --model model.gguf --basis model.kvb", "",
            "Ten texts of 4,096 tokens, mixed as the model's work is mixed, are a good start; more tokens help as much as the right domain.",
            "Keep the basis: capsules made with it cannot be decoded without."})
final class CalibrateCommand implements Callable<Integer> {
    /** Tables are trained on no more caches than this: they have a few thousand numbers. */
    private static final int TRAINED_ON = 4;

    @Parameters(paramLabel = "STATE", arity = "0..*", description = "Saved states of the model; partial sums (.kvs), which --partial makes.")
    private List<Path> inputs = new ArrayList<>();

    @Option(names = "--text", paramLabel = "FILE", arity = "1..*", description = "Texts for the model to read, instead of states.")
    private List<Path> texts = new ArrayList<>();

    @Option(names = {"-o", "--output"}, paramLabel = "B.kvb", required = true, description = "The basis, or the partial sums.")
    private Path output;

    @Option(names = "--codec", paramLabel = "NAME", defaultValue = "klt", description = "The codec that the basis is for: klt or kvtc (default: ${DEFAULT-VALUE}).")
    private String codec;

    @Option(names = "--partial", description = "Write sums (.kvs) instead of a basis: those of any number of machines add up to the basis of all they have seen.")
    private boolean partial;

    @Option(names = "--tokens", paramLabel = "N", defaultValue = "4096", description = "Tokens to read of each text, at most (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(names = "--weights", paramLabel = "W", description = "query: by the queries that read the cache and the projections of its outputs (the default with --text); "
            + "noise: by what noise in each layer costs, which takes minutes; none (the default with states).")
    private String weights;

    @Option(names = "--group", paramLabel = "N", description = "Layers a transform, or all: the best ratio and the most work (default: all, or as many as are " + GroupWidth.WIDEST
            + " channels wide together; what partial sums were made for).")
    private String group;

    @Option(names = "--components", paramLabel = "N", defaultValue = "3072", description = "Components a transform keeps at most (default: ${DEFAULT-VALUE}).")
    private int components;

    @Option(names = "--fine", paramLabel = "N", description = "Components of a transform that are kept in 8 bits, the others in 4 (klt; default: a quarter). More for ratios below 10.")
    private Integer fine;

    @Option(names = "--sign", paramLabel = "KID", description = "Sign the basis with that key: B.kvb" + FileSignature.SUFFIX + " beside it, which 'capsule verify B.kvb' checks.")
    private String signer;

    @Mixin
    private KeyOptions keys;

    @Mixin
    private ModelOptions model;

    @Mixin
    private CommonOptions options;

    @Override
    public Integer call() throws IOException {
        if (inputs.isEmpty() && texts.isEmpty()) {
            throw new Failures.UsageException("calibrate from what? Give states, partial sums, or texts by --text");
        }
        if (!texts.isEmpty() && model.file() == null) {
            throw new Failures.UsageException("--text needs --model: the model reads the texts");
        }
        if (!texts.isEmpty() && LibLlama.configured().isEmpty()) {
            throw new Failures.UsageException("--text needs libllama: " + LibLlama.VARIABLE + " names its folder, 'capsule doctor' tells what is wrong with it");
        }
        if (weights != null && !List.of("query", "noise", "none").contains(weights)) {
            throw new Failures.UsageException("--weights " + weights + " is none of query, noise, none");
        }
        if (weights != null && !weights.equals("none") && texts.isEmpty()) {
            throw new Failures.UsageException("--weights " + weights + " needs --text: states do not tell how they are read");
        }
        if (group != null && !group.equals("all") && !group.matches("[1-9][0-9]{0,3}") || components < 1 || tokens < 1 || fine != null && fine < 0) {
            throw new Failures.UsageException("--group takes all or a number of layers, --components and --tokens numbers from 1 on, --fine from 0");
        }
        checkCodec();
        Optional<BasisSigner> signing = signing();
        long start = System.nanoTime();
        PartialInputs given = PartialInputs.of(inputs);
        if (!given.states().isEmpty() && !texts.isEmpty()) {
            throw new Failures.UsageException("give states, or texts by --text, not both: --partial and another run put them together");
        }
        try (AtomicOutput out = AtomicOutput.create(output); ProgressBar bar = ProgressBar.start("calibrating", options.err())) {
            Optional<PartialDescription> first = given.first();
            ModelFacts known = model.facts();
            LinearAlgebra algebra = LinearAlgebras.best(options.threads());
            try (ModelReadings readings = readings(given.states(), known, bar); Calibration calibration = start(first, readings, known, algebra)) {
                String digest = calibrate(calibration, given, readings, known, facts(first, algebra), bar, out);
                out.commit();
                if (signing.isPresent()) {
                    signing.get().sign(output, digest);
                }
                bar.clear();
                print(digest, calibration.caches(), algebra, (System.nanoTime() - start) / 1e9);
            }
        }
        return ExitCode.DONE;
    }

    /** Whoever cannot sign is told now, and not after an hour. */
    private Optional<BasisSigner> signing() throws IOException {
        if (signer == null) {
            return Optional.empty();
        }
        if (partial) {
            throw new Failures.UsageException("--sign is for bases: partial sums are not used by anybody but calibrate");
        }
        return Optional.of(new BasisSigner(keys.opened("leave --sign out"), signer));
    }

    private void checkCodec() {
        try {
            Calibrations.of(codec);
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException("--codec " + codec + ": " + e.getMessage() + "; klt and kvtc do");
        }
        if (codec.equals("kvtc") && (partial || fine != null || group != null && !group.equals("all") || weights != null && !weights.equals("none"))) {
            throw new Failures.UsageException("--codec kvtc has all layers in one transform, no weights, no partial sums and 8 bits everywhere: leave --group, --weights, --partial and --fine out");
        }
    }

    /** Has the model read the texts, or takes the states as they are. */
    private ModelReadings readings(List<Path> states, ModelFacts known, ProgressBar bar) throws IOException {
        if (texts.isEmpty()) {
            return ModelReadings.ofStates(states);
        }
        return ModelReadings.ofTexts(model.file(), texts, tokens, options.threads(), known, codec.equals("klt") && (weights == null || weights.equals("query")), "noise".equals(weights),
                (stage, done) -> bar.stage(stage, done));
    }

    /** A calibration for the model that the first input is of. */
    private Calibration start(Optional<PartialDescription> first, ModelReadings readings, ModelFacts known, LinearAlgebra algebra) throws IOException {
        if (first.isPresent()) {
            return start(first.get().model(), first.get().layersPerGroup(), algebra);
        }
        Path state = readings.states().getFirst();
        try (InputFile in = InputFile.open(state)) {
            CacheLayout layout = read(in, state, known).layout();
            return start(layout, codec.equals("kvtc") ? 0 : GroupWidth.layersPerGroup(layout), algebra);
        }
    }

    private Calibration start(CacheLayout layout, int defaultGroup, LinearAlgebra algebra) {
        int layers = group == null ? defaultGroup : group.equals("all") ? 0 : Integer.parseInt(group);
        return Calibrations.of(codec).start(layout, new CalibrationOptions(layers, components, fine == null ? OptionalInt.empty() : OptionalInt.of(fine), Kernels.best(), algebra));
    }

    private static KvCache read(InputFile in, Path state, ModelFacts known) throws IOException {
        KvCache cache = Inputs.read(in, state, known);
        // A model that was named may well have no RoPE in its keys: those of latent attention.
        if (known.equals(ModelFacts.UNKNOWN) && cache.layout().subCaches().stream().flatMap(sub -> sub.layers().stream()).noneMatch(layer -> layer.rope().isPresent())) {
            throw new Failures.UsageException("heads and RoPE of the model are unknown: give --model or --model-facts");
        }
        return cache;
    }

    private Map<String, String> facts(Optional<PartialDescription> first, LinearAlgebra algebra) {
        String named = first.map(sums -> sums.facts().get("model")).orElse("not named");
        return Map.of("model", model.file() == null ? named : model.file().getFileName().toString(), "linear algebra", algebra.name());
    }

    private String calibrate(Calibration calibration, PartialInputs given, ModelReadings readings, ModelFacts known, Map<String, String> about, ProgressBar bar,
            AtomicOutput out) throws IOException {
        WeightSums seen = PartialInputs.and(given.addTo(calibration, bar), readings.weights());
        List<Path> states = readings.states();
        for (int i = 0; i < states.size(); i++) {
            bar.stage("adding " + states.get(i).getFileName(), (double) i / states.size());
            try (InputFile in = InputFile.open(states.get(i))) {
                KvCache cache = read(in, states.get(i), known);
                TokenAttention attention = readings.attention(i);
                Inputs.about(states.get(i).toString(), () -> {
                    calibration.add(cache, attention);
                    return null;
                });
            }
        }
        if (partial) {
            return calibration.save(seen, about, Inputs.marked(out.channel()));
        }
        calibration.solve(ModelReadings.smoothed(seen), bar::stage);
        List<Path> trained = states.subList(0, Math.min(TRAINED_ON, states.size()));
        for (Path state : trained) {
            bar.stage("training tables", (double) trained.indexOf(state) / trained.size());
            try (InputFile in = InputFile.open(state)) {
                calibration.train(CacheFormats.read(in.bytes(), known));
            }
        }
        return calibration.write(about, Inputs.marked(out.channel()));
    }

    private void print(String digest, long caches, LinearAlgebra algebra, double seconds) throws IOException {
        long bytes = Files.size(output);
        if (options.json()) {
            options.out().println(new JsonReport().put(partial ? "partial" : "basis", digest).put("bytes", bytes).put("caches", caches).put("seconds", seconds)
                    .put("linear_algebra", algebra.name()).put("signed_by", signer));
        } else {
            options.out().printf(Locale.ROOT, "%s: %s %s, %s, %.1f s%n", output, partial ? "partial sums" : "basis", digest, Sizes.text(bytes), seconds);
        }
    }
}
