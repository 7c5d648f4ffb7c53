package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.increment.IncrementalDecoder;
import dev.kvcapsule.engine.increment.PartsSummary;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
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
                try (InputFile in = seal.open(capsule); FolderBases bases = basis.open(capsule)) {
                    if (seal.isSealed()) {
                        verifySealed(in, bases, bar, start);
                    } else {
                        CapsuleReader reader = Inputs.capsule(in, Opening.unsealed());
                        Trailer trailer = CapsuleFiles.verify(reader, pipeline(reader, bar, bases));
                        bar.clear();
                        print(reader.manifest().codec(), reader.manifest().layout(), trailer, in, start, null, List.of("who made it"));
                    }
                }
                return null;
            });
        }
        return ExitCode.DONE;
    }

    private void verifySealed(InputFile in, FolderBases bases, ProgressBar bar, long start) throws IOException {
        try (CapsuleOpening opening = seal.incremental(RestoreContext.UNCHECKED, false, false, options.err())) {
            Inputs.Sealed sealed = Inputs.sealed(in, opening);
            PipelineOptions pipeline = pipeline(sealed.reader(), bar, bases);
            IncrementalDecoder decoder = new IncrementalDecoder(sealed.reader(), opening);
            Trailer trailer = CapsuleFiles.verify(decoder, sealed.reader(), sealed.parts(), pipeline);
            bar.clear();
            print(sealed.reader().manifest().codec(), decoder.layout(), trailer, in, start, opening.claims(),
                    seal.hasRuntime() ? List.of("model", "tokens", "replay") : List.of("model", "runtime", "tokens", "replay"));
        }
    }

    private PipelineOptions pipeline(CapsuleReader reader, ProgressBar bar, FolderBases bases) {
        return options.pipeline(reader.manifest().codec(), reader.manifest().layout().tensorBytes(), bar, bases);
    }

    private void verifyPublicly(long start) throws IOException {
        try (PublicOpening opening = seal.verifying(); InputFile in = Inputs.open(capsule)) {
            Inputs.Sealed sealed = Inputs.sealed(in, opening);
            CapsuleSummary summary = PartsSummary.read(sealed.reader(), opening, sealed.parts());
            print(summary.manifest().codec(), summary.manifest().layout(), summary.trailer(), in, start, opening.claims(), notChecked(opening));
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

    private void print(CodecSpec codec, CacheLayout layout, Trailer trailer, InputFile in, long start, SealClaims claims, List<String> notChecked) {
        double seconds = (System.nanoTime() - start) / 1e9;
        long bytes = in.bytes().byteSize();
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
                    .put("codec", codec.toString())
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
