package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.calibration.BasisDescription;
import dev.kvcapsule.engine.calibration.CalibrationFactory;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.increment.PartsSummary;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.serving.RopeText;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Shows what a capsule says of itself. */
@Command(name = "inspect", mixinStandardHelpOptions = true, description = "Shows a capsule's manifest, tiles, and bytes by part, without decoding it; or what a basis, or partial sums for one, were made of.", sortOptions = false,
        footerHeading = "%nExamples:%n", footer = {"  capsule inspect slot.kvc", "  capsule inspect slot.kvc --json | jq .bytes", "  capsule inspect model.kvb"})
final class InspectCommand implements Callable<Integer> {
    @Parameters(paramLabel = "FILE", description = "A capsule, a basis or partial sums; - is standard input.")
    private Path capsule;

    @Mixin
    private CommonOptions options;

    @Override
    public Integer call() throws IOException {
        long start = System.nanoTime();
        try (InputFile in = Inputs.open(capsule)) {
            Optional<CalibrationFactory> basis = Calibrations.recognise(in.bytes());
            if (basis.isPresent()) {
                describe(Inputs.about(Inputs.name(capsule), () -> basis.get().describe(in.bytes())));
                return ExitCode.DONE;
            }
            Optional<CalibrationFactory> partial = Calibrations.recognisePartial(in.bytes());
            if (partial.isPresent()) {
                new PartialReport(Inputs.name(capsule), Inputs.about(Inputs.name(capsule), () -> partial.get().describePartial(in.bytes()))).print(options);
                return ExitCode.DONE;
            }
            boolean sealed = Parts.recognises(in.bytes()) || CapsuleReader.recognises(in.bytes()) && CapsuleReader.looksSealed(in.bytes());
            try (Opening opening = sealed ? PublicOpening.showing() : Opening.unsealed()) {
                CapsuleSummary summary = Inputs.about(Inputs.name(capsule), () -> summary(in, opening));
                if (options.json()) {
                    options.out().println(json(summary, in.bytes().byteSize(), (System.nanoTime() - start) / 1e9, opening));
                } else {
                    text(summary, in.bytes().byteSize(), opening);
                }
            }
        }
        return ExitCode.DONE;
    }

    private static CapsuleSummary summary(InputFile in, Opening opening) throws IOException {
        if (opening instanceof PublicOpening showing && Parts.recognises(in.bytes())) {
            Inputs.Sealed sealed = Inputs.sealed(in, showing);
            return PartsSummary.read(sealed.reader(), showing, sealed.parts());
        }
        return CapsuleSummary.read(Inputs.capsule(in, opening));
    }

    private void describe(BasisDescription basis) {
        if (options.json()) {
            List<Object> transforms = new ArrayList<>();
            for (BasisDescription.Transform transform : basis.transforms()) {
                transforms.add(Map.of("layers", transform.layers(), "width", transform.width(), "components", transform.components(), "fine", transform.fine(), "energy_in_a_tenth", transform.energy()));
            }
            options.out().println(new JsonReport().put("basis", basis.digest()).put("codec", basis.codec()).put("bytes", basis.bytes()).put("facts", basis.facts())
                    .put("transforms", transforms));
            return;
        }
        options.out().printf("%s: basis for codec %s, %s%n", Inputs.name(capsule), basis.codec(), Sizes.text(basis.bytes()));
        options.out().printf("  digest          %s%n", basis.digest());
        basis.facts().forEach(this::fact);
        for (BasisDescription.Transform transform : basis.transforms()) {
            options.out().printf(Locale.ROOT, "  %s: %d components of %d channels, %d in full precision; a tenth of them holds %.1f%% of the weighted variance%n", MalformedDataException.oneLine(transform.layers()),
                    transform.components(), transform.width(), transform.fine(), 100 * transform.energy());
        }
    }

    private JsonReport json(CapsuleSummary summary, long bytes, double seconds, Opening opening) {
        CacheLayout layout = summary.manifest().layout();
        List<Object> caches = new ArrayList<>();
        for (SubCache sub : layout.subCaches()) {
            List<Object> layers = new ArrayList<>();
            for (LayerLayout layer : sub.layers()) {
                Map<String, Object> fields = new LinkedHashMap<>();
                fields.put("layer", layer.layer());
                fields.put("kv_heads", layer.kvHeads());
                fields.put("k_head_dim", layer.keyHeadDim());
                fields.put("v_head_dim", layer.valueHeadDim());
                fields.put("k_type", layer.keyType().label());
                fields.put("v_type", layer.valueType().label());
                fields.put("rope", layer.rope().map(RopeText::format).orElse(null));
                fields.put("window", layer.window());
                layers.add(fields);
            }
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("name", sub.name());
            fields.put("cells", sub.cells());
            fields.put("k_order", sub.keyOrder().label());
            fields.put("v_order", sub.valueOrder().label());
            fields.put("layers", layers);
            caches.add(fields);
        }
        long raw = layout.tensorBytes() + layout.blobBytes();
        JsonReport json = new JsonReport()
                .put("tokens", layout.tokens())
                .put("layers", layout.layers())
                .put("raw_bytes", raw)
                .put("capsule_bytes", bytes)
                .put("ratio", (double) raw / bytes)
                .put("seconds", seconds)
                .put("codec", summary.manifest().codec().toString())
                .put("sealed", opening.isSealed())
                .put("tiles", summary.tiles())
                .put("exact_tiles", summary.exactTiles())
                .put("lossless_tiles", summary.trailer().losslessTiles())
                .put("relative_error", summary.trailer().relativeError())
                .put("origin", layout.origin())
                .put("bytes", parts(summary))
                .put("caches", caches);
        summary.trailer().fit().ifPresent(fit -> json.put("basis_fit", BasisFitText.fields(fit)));
        if (opening instanceof PublicOpening sealed) {
            json.put("seal", SealReport.of(sealed.claims())).put("signed_by", sealed.kids());
        }
        return json;
    }

    private static Map<String, Object> parts(CapsuleSummary summary) {
        Map<String, Object> parts = new LinkedHashMap<>();
        parts.put("k", summary.keyOnlyBytes());
        parts.put("v", summary.valueOnlyBytes());
        parts.put("k_and_v", summary.mixedBytes());
        parts.put("blobs", summary.blobBytes());
        parts.put("basis", summary.basisBytes());
        parts.put("manifest", summary.manifestBytes());
        parts.put("framing", summary.framingBytes());
        return parts;
    }

    private void text(CapsuleSummary summary, long bytes, Opening opening) {
        CacheLayout layout = summary.manifest().layout();
        options.out().printf(Locale.ROOT, "%s: capsule, format 1, %s%n", Inputs.name(capsule), opening.isSealed() ? "sealed; what follows is not verified" : "not sealed");
        if (opening instanceof PublicOpening sealed) {
            fact("signed by", String.join(", ", sealed.kids()));
            SealReport.of(sealed.claims()).forEach((key, value) -> fact(key.replace('_', ' '), value));
        }
        options.out().printf(Locale.ROOT, "  codec           %s%n", MalformedDataException.oneLine(summary.manifest().codec().toString()));
        options.out().printf(Locale.ROOT, "  tokens          %d%n", layout.tokens());
        options.out().printf(Locale.ROOT, "  size            %s for %s of state (%.2fx)%n", Sizes.text(bytes),
                Sizes.text(layout.tensorBytes() + layout.blobBytes()), (double) (layout.tensorBytes() + layout.blobBytes()) / bytes);
        options.out().printf(Locale.ROOT, "  relative error  %.3g (measured when it was encoded)%n", summary.trailer().relativeError());
        summary.trailer().fit().ifPresent(fit -> options.out().println("  basis           " + (fit.isGood() ? "fits: " : "does not fit: ") + BasisFitText.of(fit)));
        layout.origin().forEach(this::fact);
        options.out().printf(Locale.ROOT, "  tiles           %d, of them %d kept exactly, %d coded losslessly because their numbers are extreme%n", summary.tiles(), summary.exactTiles(),
                summary.trailer().losslessTiles());
        options.out().println("  bytes by part");
        part("K", summary.keyOnlyBytes(), bytes);
        part("V", summary.valueOnlyBytes(), bytes);
        part("K and V", summary.mixedBytes(), bytes);
        part("blobs", summary.blobBytes(), bytes);
        part("basis", summary.basisBytes(), bytes);
        part("manifest", summary.manifestBytes(), bytes);
        part("framing", summary.framingBytes(), bytes);
        for (SubCache sub : layout.subCaches()) {
            options.out().printf(Locale.ROOT, "  cache '%s': %d layers, %d cells%n", MalformedDataException.oneLine(sub.name()), sub.layers().size(), sub.cells());
            String previous = "";
            int first = -1;
            int last = -1;
            for (LayerLayout layer : sub.layers()) {
                String line = describe(layer);
                if (!line.equals(previous)) {
                    range(first, last, previous);
                    first = layer.layer();
                    previous = line;
                }
                last = layer.layer();
            }
            range(first, last, previous);
        }
    }

    /** Nobody vouches for what a file says of itself: it gets one line, and no more. */
    private void fact(String name, Object value) {
        options.out().printf("  %-15s %s%n", MalformedDataException.oneLine(name), MalformedDataException.oneLine(value.toString()));
    }

    private void part(String name, long part, long bytes) {
        if (part > 0) {
            options.out().printf(Locale.ROOT, "    %-13s %9s  %5.1f%%%n", name, Sizes.text(part), 100.0 * part / bytes);
        }
    }

    private void range(int first, int last, String line) {
        if (first >= 0) {
            options.out().printf(Locale.ROOT, "    %-13s %s%n", first == last ? "layer " + first : "layers " + first + "-" + last, line);
        }
    }

    private static String describe(LayerLayout layer) {
        StringBuilder text = new StringBuilder();
        text.append(layer.kvHeads()).append(" KV heads, K ").append(layer.keyHeadDim()).append(" x ").append(layer.keyType().label());
        if (layer.has(Part.VALUE)) {
            text.append(", V ").append(layer.valueHeadDim()).append(" x ").append(layer.valueType().label());
        }
        text.append(layer.rope().map(rope -> ", RoPE " + RopeText.format(rope)).orElse(", RoPE unknown or none"));
        if (layer.window() > 0) {
            text.append(", window ").append(layer.window());
        }
        return text.toString();
    }
}
