package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.CalibrationOptions;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Texts or states to a shared basis. */
@Command(name = "calibrate", mixinStandardHelpOptions = true, sortOptions = false, description = "Makes the basis that capsules of one model share.",
        footerHeading = "%nExamples:%n", footer = {"  capsule calibrate --model model.gguf --text a.txt b.md c.py -o model.kvb      (CAPSULE_LIBLLAMA names the folder of libllama)",
            "  capsule calibrate --model model.gguf slot1.bin slot2.bin -o model.kvb", "  capsule encode slot.bin -o slot.kvc --model model.gguf --basis model.kvb", "",
            "Ten texts of 4,096 tokens, mixed as the model's work is mixed, are a good start; more tokens help as much as the right domain.",
            "Keep the basis: capsules made with it cannot be decoded without."})
final class CalibrateCommand implements Callable<Integer> {
    /** Tables are trained on no more caches than this: they have a few thousand numbers. */
    private static final int TRAINED_ON = 4;

    @Parameters(paramLabel = "STATE", arity = "0..*", description = "Saved states of the model.")
    private List<Path> states = new ArrayList<>();

    @Option(names = "--text", paramLabel = "FILE", arity = "1..*", description = "Texts for the model to read, instead of states.")
    private List<Path> texts = new ArrayList<>();

    @Option(names = {"-o", "--output"}, paramLabel = "B.kvb", required = true, description = "The basis.")
    private Path output;

    @Option(names = "--tokens", paramLabel = "N", defaultValue = "4096", description = "Tokens to read of each text, at most (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(names = "--weights", paramLabel = "W", description = "query: by the queries that read the cache and the projections of its outputs (the default with --text); "
            + "noise: by what noise in each layer costs, which takes minutes; none (the default with states).")
    private String weights;

    @Option(names = "--group", paramLabel = "N", defaultValue = "all", description = "Layers a transform, or all: the best ratio and the most work (default: ${DEFAULT-VALUE}).")
    private String group;

    @Option(names = "--components", paramLabel = "N", defaultValue = "3072", description = "Components a transform keeps at most (default: ${DEFAULT-VALUE}).")
    private int components;

    @Mixin
    private ModelOptions model;

    @Mixin
    private CommonOptions options;

    @Override
    public Integer call() throws IOException {
        if (states.isEmpty() == texts.isEmpty()) {
            throw new Failures.UsageException("calibrate from what? Give states, or texts by --text");
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
        if (!group.equals("all") && !group.matches("[1-9][0-9]{0,3}") || components < 1 || tokens < 1) {
            throw new Failures.UsageException("--group takes all or a number of layers, --components and --tokens numbers from 1 on");
        }
        long start = System.nanoTime();
        try (AtomicOutput out = AtomicOutput.create(output); ProgressBar bar = ProgressBar.start("calibrating", options.err()); ModelReadings readings = readings(bar)) {
            CalibrationOptions how = new CalibrationOptions(group.equals("all") ? 0 : Integer.parseInt(group), components, Kernels.best(), LinearAlgebras.best(options.threads()));
            String digest = calibrate(readings, how, bar, out);
            out.commit();
            bar.clear();
            print(digest, how.algebra(), (System.nanoTime() - start) / 1e9);
        }
        return ExitCode.DONE;
    }

    /** Has the model read the texts, or takes the states as they are. */
    private ModelReadings readings(ProgressBar bar) throws IOException {
        if (texts.isEmpty()) {
            return ModelReadings.ofStates(states);
        }
        return ModelReadings.ofTexts(model.file(), texts, tokens, options.threads(), model.facts(), weights == null || weights.equals("query"), "noise".equals(weights),
                (stage, done) -> bar.stage(stage, done));
    }

    private String calibrate(ModelReadings readings, CalibrationOptions how, ProgressBar bar, AtomicOutput out) throws IOException {
        ModelFacts facts = model.facts();
        Calibration calibration = null;
        try {
            for (int i = 0; i < readings.states().size(); i++) {
                bar.stage("adding " + readings.states().get(i).getFileName(), (double) i / readings.states().size());
                try (InputFile in = InputFile.open(readings.states().get(i))) {
                    KvCache cache = Inputs.read(in, readings.states().get(i), facts);
                    // A model that was named may well have no RoPE in its keys: those of latent attention.
                    if (facts.equals(ModelFacts.UNKNOWN) && cache.layout().subCaches().stream().flatMap(sub -> sub.layers().stream()).noneMatch(layer -> layer.rope().isPresent())) {
                        throw new Failures.UsageException("heads and RoPE of the model are unknown: give --model or --model-facts");
                    }
                    if (calibration == null) {
                        calibration = Calibrations.of("klt").start(cache.layout(), how);
                    }
                    KvCache added = cache;
                    TokenAttention attention = readings.attention(i);
                    Calibration to = calibration;
                    Inputs.about(readings.states().get(i).toString(), () -> {
                        to.add(added, attention);
                        return null;
                    });
                }
            }
            calibration.solve(readings.weights(), bar::stage);
            List<Path> trained = readings.states().subList(0, Math.min(TRAINED_ON, readings.states().size()));
            for (Path state : trained) {
                bar.stage("training tables", (double) trained.indexOf(state) / trained.size());
                try (InputFile in = InputFile.open(state)) {
                    calibration.train(CacheFormats.read(in.bytes(), facts));
                }
            }
            Map<String, String> about = new LinkedHashMap<>();
            about.put("model", model.file() == null ? "not named" : model.file().getFileName().toString());
            about.put("linear algebra", how.algebra().name());
            return calibration.write(about, Inputs.marked(out.channel()));
        } finally {
            if (calibration != null) {
                calibration.close();
            }
        }
    }

    private void print(String digest, LinearAlgebra algebra, double seconds) throws IOException {
        long bytes = Files.size(output);
        if (options.json()) {
            options.out().println(new JsonReport().put("basis", digest).put("bytes", bytes).put("caches", states.size() + texts.size()).put("seconds", seconds)
                    .put("linear_algebra", algebra.name()));
        } else {
            options.out().printf(Locale.ROOT, "%s: basis %s, %s, %.1f s%n", output, digest, Sizes.text(bytes), seconds);
        }
    }
}
