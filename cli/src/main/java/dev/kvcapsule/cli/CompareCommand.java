package dev.kvcapsule.cli;

import dev.kvcapsule.engine.compare.CacheComparison;
import dev.kvcapsule.engine.compare.LayerDifference;
import dev.kvcapsule.engine.compare.TensorDifference;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Error of one state against another. */
@Command(name = "compare", mixinStandardHelpOptions = true,
        description = "Shows how state B differs from state A, by layer and K/V: relative error, signal-to-noise ratio, cosine, worst token, attention-output error.",
        sortOptions = false, footerHeading = "%nExamples:%n", footer = {"  capsule compare slot.bin restored.bin --model model.gguf",
            "  capsule decode slot.kvc -o - | capsule compare slot.bin -", "",
            "An error of 0 is no difference; SNR is in decibels, and infinite where there is none."})
final class CompareCommand implements Callable<Integer> {
    @Parameters(index = "0", paramLabel = "A", description = "The original state.")
    private Path a;

    @Parameters(index = "1", paramLabel = "B", description = "The state to judge.")
    private Path b;

    @Mixin
    private ModelOptions model;

    @Mixin
    private CommonOptions options;

    @Override
    public Integer call() throws IOException {
        ModelFacts facts = model.facts();
        if (Inputs.isStandard(a) && Inputs.isStandard(b)) {
            throw new Failures.UsageException("only one of the two states can be standard input");
        }
        long start = System.nanoTime();
        try (InputFile first = Inputs.open(a); InputFile second = Inputs.open(b); ProgressBar bar = ProgressBar.start("comparing", options.err())) {
            KvCache original = Inputs.read(first, a, facts);
            KvCache changed = Inputs.read(second, b, facts);
            CacheComparison comparison;
            try {
                comparison = CacheComparison.of(original, changed, options.kernels(), bar);
            } catch (IllegalArgumentException e) {
                throw new Failures.UsageException(a + " and " + b + " cannot be compared: " + e.getMessage());
            }
            bar.clear();
            if (options.json()) {
                options.out().println(json(original, first.bytes().byteSize(), comparison, (System.nanoTime() - start) / 1e9));
            } else {
                text(comparison);
            }
        }
        return ExitCode.DONE;
    }

    private static JsonReport json(KvCache original, long rawBytes, CacheComparison comparison, double seconds) {
        List<Object> layers = comparison.layers().stream().map(layer -> {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("cache", layer.subCache());
            fields.put("layer", layer.layer());
            fields.put("k", fields(layer.key()));
            fields.put("v", fields(layer.value()));
            fields.put("attention_error", layer.attention());
            return (Object) fields;
        }).toList();
        // Two states have no capsule: what concerns one is null.
        return new JsonReport()
                .put("tokens", original.layout().tokens())
                .put("layers", original.layout().layers())
                .put("raw_bytes", rawBytes)
                .put("capsule_bytes", null)
                .put("ratio", null)
                .put("seconds", seconds)
                .put("codec", null)
                .put("k", fields(comparison.keys()))
                .put("v", fields(comparison.values()))
                .put("by_layer", layers);
    }

    private static Map<String, Object> fields(TensorDifference difference) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("relative_error", difference.relativeError());
        fields.put("snr_db", difference.snr());
        fields.put("cosine", difference.cosine());
        fields.put("worst_token", difference.worstToken() < 0 ? null : difference.worstToken());
        fields.put("worst_token_error", difference.worstRowError());
        return fields;
    }

    private void text(CacheComparison comparison) {
        options.out().println("                  K                                          V                                   attention");
        options.out().println("layer       error    SNR dB   cosine  worst token       error    SNR dB   cosine  worst token        error");
        for (LayerDifference layer : comparison.layers()) {
            options.out().printf(Locale.ROOT, "%-8s %s    %s   %9.2e%n", layer.subCache() + " " + layer.layer(), columns(layer.key()), columns(layer.value()),
                    layer.attention());
        }
        options.out().printf(Locale.ROOT, "%-8s %s    %s%n", "all", columns(comparison.keys()), columns(comparison.values()));
    }

    private static String columns(TensorDifference difference) {
        return String.format(Locale.ROOT, "%9.2e  %7.1f  %.5f  %6d %.1e", difference.relativeError(), difference.snr(), difference.cosine(), difference.worstToken(),
                difference.worstRowError());
    }
}
