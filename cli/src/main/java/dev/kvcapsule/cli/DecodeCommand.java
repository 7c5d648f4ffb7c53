package dev.kvcapsule.cli;

import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Parts;
import dev.kvcapsule.engine.increment.PartsInput;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.serving.files.DecodeReport;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.files.FolderBases;
import dev.kvcapsule.serving.files.OutputException;
import dev.kvcapsule.serving.files.TemporaryFile;
import dev.kvcapsule.serving.llamacpp.GgufModel;
import dev.kvcapsule.serving.llamacpp.ModelFile;
import java.io.IOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Capsule to state. */
@Command(name = "decode", mixinStandardHelpOptions = true, sortOptions = false, description = "Restores a KV cache from a capsule.",
        footerHeading = "%nExamples:%n", footer = {"  capsule decode slot.kvc -o slot.bin --as org=acme,user=ann --model model.gguf",
            "  capsule decode slot.kvc -o first.bin --as org=acme,user=ann --tokens 1000", "  capsule decode slot.kvc -o cache.safetensors --format safetensors --unsealed", "", "The output appears when everything is decoded and checked, and not before."})
final class DecodeCommand implements Callable<Integer> {
    @Parameters(paramLabel = "IN.kvc", description = "The capsule; - is standard input.")
    private Path capsule;

    @Option(names = {"-o", "--output"}, paramLabel = "STATE", required = true, description = "The cache's file; - is standard output.")
    private Path output;

    @Option(names = "--format", paramLabel = "F", description = "ggsq2, ggsq3, buffer, ggsn or safetensors (default: what went in).")
    private String format;

    @Option(names = "--tokens", paramLabel = "N", description = "Restore the first N tokens only, reading only the tiles that hold them.")
    private Integer tokens;

    @Option(names = "--model", paramLabel = "M.gguf", description = "The model that will use the state: what the capsule is bound to must be it.")
    private Path model;

    @Option(names = "--allow-older-generation", description = "Restore a capsule though its session has a later one: a fork, told on standard error.")
    private boolean allowOlder;

    @Mixin
    private BasisOptions basis;

    @Mixin
    private OpenOptions seal;

    @Mixin
    private CommonOptions options;

    @Override
    public Integer call() throws IOException {
        if (format != null && !CacheFormats.NAMES.contains(format)) {
            throw new Failures.UsageException("--format " + format + " is none of " + String.join(", ", CacheFormats.NAMES));
        }
        boolean standard = Inputs.isStandardOutput(output);
        if (standard && options.json()) {
            throw new Failures.UsageException("--json and the state cannot both go to standard output");
        }
        long start = System.nanoTime();
        DecodeReport report;
        try (ProgressBar bar = ProgressBar.start("decoding", options.err())) {
            report = Inputs.writing(output, () -> standard ? staged(Inputs.standardOutput(), bar) : toFile(bar));
        }
        if (!seal.isSealed()) {
            options.noteUnsealed(Inputs.name(capsule));
        }
        print(report, (System.nanoTime() - start) / 1e9, standard);
        return ExitCode.DONE;
    }

    private DecodeReport toFile(ProgressBar bar) throws IOException {
        try (AtomicOutput out = AtomicOutput.create(output)) {
            DecodeReport report = out.isRegular() ? Inputs.about(Inputs.name(capsule), () -> decode(out.channel(), bar)) : staged(out.channel(), bar);
            out.commit();
            return report;
        }
    }

    private DecodeReport decode(FileChannel out, ProgressBar bar) throws IOException {
        if (seal.isSealed() && Inputs.isStandard(capsule) && tokens == null) {
            // Front to back, while it arrives.
            return decodeParts(Channels.newChannel(System.in), out, bar);
        }
        if (Inputs.isStandard(capsule) && tokens == null) {
            try (FolderBases bases = basis.open(capsule)) {
                return decode(CapsuleReader.of(Channels.newChannel(System.in), Opening.unsealed()), out, bar, bases, Opening.unsealed());
            }
        }
        try (InputFile in = seal.open(capsule)) {
            if (seal.isSealed() && Parts.recognises(in.bytes())) {
                return decodeParts(in.channel(), out, bar);
            }
            try (Opening opening = seal.isSealed() ? seal.opening(context(), true, allowOlder, options.err()) : Opening.unsealed(); FolderBases bases = basis.open(capsule)) {
                return decode(Inputs.capsule(in, opening), out, bar, bases, opening);
            }
        }
    }

    /** What is read front to back: a capsule, or one in parts. */
    private DecodeReport decodeParts(ReadableByteChannel in, FileChannel out, ProgressBar bar) throws IOException {
        try (CapsuleOpening opening = seal.incremental(context(), true, allowOlder, options.err()); FolderBases bases = basis.open(capsule)) {
            PartsInput parts = PartsInput.begin(in);
            CapsuleReader reader = CapsuleReader.of(parts.capsule(), opening);
            DecodeReport report = CapsuleFiles.decode(reader, opening, parts, Optional.ofNullable(format), wanted(), out, pipeline(reader, bar, bases));
            noteUnchecked(opening.claims());
            return report;
        }
    }

    private OptionalInt wanted() {
        return tokens == null ? OptionalInt.empty() : OptionalInt.of(tokens);
    }

    private DecodeReport decode(CapsuleReader reader, FileChannel out, ProgressBar bar, FolderBases bases, Opening opening) throws IOException {
        DecodeReport report = CapsuleFiles.decode(reader, Optional.ofNullable(format), wanted(), out, pipeline(reader, bar, bases));
        if (opening instanceof CapsuleOpening sealed) {
            noteUnchecked(sealed.claims());
        }
        return report;
    }

    private RestoreContext context() throws IOException {
        if (model == null) {
            return RestoreContext.UNCHECKED;
        }
        try (ProgressBar bar = ProgressBar.start("hashing the model", options.err())) {
            return Inputs.about(model.toString(), () -> new RestoreContext(Optional.of(ModelFile.identify(model, bar)), Optional.empty(),
                    Optional.of(ModelFile.structure(GgufModel.facts(model))), Optional.empty(), false));
        }
    }

    private void noteUnchecked(SealClaims claims) {
        if (claims.model().isPresent() && model == null) {
            options.err().println("capsule: note: the capsule is for model '" + claims.model().get().id() + "'; --model checks that yours is the same");
        }
        if (claims.runtime().isPresent() && !seal.hasRuntime()) {
            options.err().println("capsule: note: the capsule is for " + claims.runtime().get() + "; --runtime checks that yours is among them");
        }
        if (claims.prefixDigest().isPresent()) {
            options.err().println("capsule: note: whether its " + claims.prefixTokens() + " tokens are those of the prompt was not checked");
        }
    }

    private PipelineOptions pipeline(CapsuleReader reader, ProgressBar bar, FolderBases bases) {
        return options.pipeline(reader.manifest().codec(), reader.manifest().layout().tensorBytes(), bar, bases);
    }

    /** Decodes to a temporary file first: nothing leaves before everything has been checked, and a state is not written front to back. */
    private DecodeReport staged(WritableByteChannel out, ProgressBar bar) throws IOException {
        try (FileChannel file = TemporaryFile.open("state")) {
            DecodeReport report = decodeStaged(file, bar);
            bar.clear();
            try {
                for (long done = 0; done < file.size(); ) {
                    done += file.transferTo(done, file.size() - done, out);
                }
            } catch (IOException e) {
                throw new OutputException(e);
            }
            return report;
        }
    }

    private DecodeReport decodeStaged(FileChannel file, ProgressBar bar) throws IOException {
        try {
            return Inputs.about(Inputs.name(capsule), () -> decode(file, bar));
        } catch (OutputException e) {
            throw new Failures.FileException("the temporary folder " + System.getProperty("java.io.tmpdir"), e);
        }
    }

    private void print(DecodeReport report, double seconds, boolean standard) throws IOException {
        long capsuleBytes = Inputs.isStandard(capsule) ? -1 : Files.size(capsule);
        if (options.json()) {
            JsonReport json = new JsonReport()
                    .put("tokens", report.written().tokens())
                    .put("layers", report.written().layers())
                    .put("raw_bytes", report.stateBytes())
                    .put("capsule_bytes", capsuleBytes < 0 ? null : capsuleBytes)
                    .put("ratio", capsuleBytes < 0 ? null : (double) report.stateBytes() / capsuleBytes)
                    .put("seconds", seconds)
                    .put("codec", report.manifest().codec().toString());
            report.trailer().ifPresent(trailer -> json.put("relative_error", trailer.relativeError()));
            options.report(json);
            options.out().println(json);
        } else if (!standard) {
            options.out().printf(Locale.ROOT, "%s: %d tokens, %d layers, %s, %.2f s%n", output, report.written().tokens(), report.written().layers(),
                    Sizes.text(report.stateBytes()), seconds);
        }
    }
}
