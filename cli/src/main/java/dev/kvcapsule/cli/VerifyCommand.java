package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.serving.files.FolderBases;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Checks a capsule. */
@Command(name = "verify", mixinStandardHelpOptions = true, description = "Checks a capsule as far as the given keys reach, every tile's decoding included; writes nothing.", sortOptions = false,
        footerHeading = "%nExamples:%n", footer = {"  capsule verify slot.kvc --keys public.jwks         public keys are enough for signatures and the Merkle root",
            "  capsule verify slot.kvc --as org=acme,user=ann     decodes every tile, too", "  capsule verify - --unsealed < slot.kvc", "  capsule verify model.kvb --keys public.jwks        a basis, and who signed it (calibrate --sign)"})
final class VerifyCommand implements Callable<Integer> {
    @Parameters(paramLabel = "IN.kvc", description = "The capsule, - is standard input; or a basis.")
    private Path capsule;

    @Mixin
    private BasisOptions basis;

    @Mixin
    private OpenOptions seal;

    @Mixin
    private CommonOptions options;

    @Override
    public Integer call() throws IOException {
        long start = System.nanoTime();
        if (BasisVerification.isBasis(capsule)) {
            BasisVerification.run(capsule, seal.isSealed() ? Optional.of(seal.publicKeys()) : Optional.empty(), options);
            return ExitCode.DONE;
        }
        try (ProgressBar bar = ProgressBar.start("verifying", options.err())) {
            Inputs.about(Inputs.name(capsule), () -> {
                if (seal.isSealed() && !seal.hasCaller()) {
                    verifyPublicly(start);
                    return null;
                }
                try (Opening opening = seal.isSealed() ? seal.opening(RestoreContext.UNCHECKED, false, false, options.err()) : Opening.unsealed();
                        InputFile in = seal.open(capsule); FolderBases bases = basis.open(capsule)) {
                    CapsuleReader reader = Inputs.capsule(in, opening);
                    Trailer trailer = CapsuleFiles.verify(reader, options.pipeline(reader.manifest().codec(), reader.manifest().layout().tensorBytes(), bar, bases));
                    bar.clear();
                    print(reader.manifest(), trailer, in.bytes().byteSize(), start, opening instanceof CapsuleOpening sealed ? sealed.claims() : null,
                            seal.isSealed() ? seal.hasRuntime() ? List.of("model", "tokens", "replay") : List.of("model", "runtime", "tokens", "replay") : List.of("who made it"));
                }
                return null;
            });
        }
        return ExitCode.DONE;
    }

    private void verifyPublicly(long start) throws IOException {
        try (PublicOpening opening = seal.verifying(); InputFile in = Inputs.open(capsule)) {
            CapsuleSummary summary = CapsuleSummary.read(Inputs.capsule(in, opening));
            print(summary.manifest(), summary.trailer(), in.bytes().byteSize(), start, opening.claims(), notChecked(opening));
        }
    }

    private static List<String> notChecked(PublicOpening opening) throws IOException {
        List<String> names = new ArrayList<>(List.of("contents of the tiles", "whose it is", "model", "runtime", "tokens", "replay"));
        if (opening.epochStatus().isEmpty()) {
            // Key sets say nothing of tenants' keys: this one may have been revoked.
            names.add("tenant key");
        }
        return names;
    }

    private void print(Manifest manifest, Trailer trailer, long bytes, long start, SealClaims claims, List<String> notChecked) {
        double seconds = (System.nanoTime() - start) / 1e9;
        CacheLayout layout = manifest.layout();
        long raw = layout.tensorBytes() + layout.blobBytes();
        if (claims == null) {
            options.noteUnsealed(Inputs.name(capsule));
        }
        if (options.json()) {
            JsonReport json = new JsonReport()
                    .put("tokens", layout.tokens())
                    .put("layers", layout.layers())
                    .put("raw_bytes", raw)
                    .put("capsule_bytes", bytes)
                    .put("ratio", (double) raw / bytes)
                    .put("seconds", seconds)
                    .put("codec", manifest.codec().toString())
                    .put("relative_error", trailer.relativeError())
                    .put("frames", trailer.frames())
                    .put("sealed", claims != null)
                    .put("not_checked", notChecked);
            trailer.fit().ifPresent(fit -> json.put("basis_fit", BasisFitText.fields(fit)));
            if (claims != null) {
                json.put("seal", SealReport.of(claims));
            }
            options.out().println(json);
            return;
        }
        options.out().printf(Locale.ROOT, "%s: good; %d frames, %s, %.2f s; not checked: %s%n", Inputs.name(capsule), trailer.frames(), claims == null
                ? "every checksum and every tile holds" : "signatures and every byte hold, valid until " + claims.expires(), seconds, String.join(", ", notChecked));
    }
}
