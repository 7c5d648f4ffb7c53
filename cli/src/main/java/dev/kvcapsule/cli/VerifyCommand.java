package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.serving.files.FolderBases;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Checks a capsule. */
@Command(name = "verify", mixinStandardHelpOptions = true, description = "Checks everything in a capsule, every tile's decoding included; writes nothing.", sortOptions = false,
        footerHeading = "%nExamples:%n", footer = {"  capsule verify slot.kvc && echo good", "  capsule verify - < slot.kvc"})
final class VerifyCommand implements Callable<Integer> {
    @Parameters(paramLabel = "IN.kvc", description = "The capsule; - is standard input.")
    private Path capsule;

    @Mixin
    private BasisOptions basis;

    @Mixin
    private CommonOptions options;

    @Override
    public Integer call() throws IOException {
        long start = System.nanoTime();
        try (InputFile in = Inputs.open(capsule); FolderBases bases = basis.open(capsule); ProgressBar bar = ProgressBar.start("verifying", options.err())) {
            Inputs.about(Inputs.name(capsule), () -> {
                CapsuleReader reader = Inputs.capsule(in);
                Trailer trailer = CapsuleFiles.verify(reader, options.pipeline(reader.manifest().codec(), reader.manifest().layout().tensorBytes(), bar, bases));
                bar.clear();
                print(reader, trailer, in.bytes().byteSize(), (System.nanoTime() - start) / 1e9);
                return null;
            });
        }
        return ExitCode.DONE;
    }

    private void print(CapsuleReader reader, Trailer trailer, long bytes, double seconds) {
        CacheLayout layout = reader.manifest().layout();
        long raw = layout.tensorBytes() + layout.blobBytes();
        options.noteUnsealed(Inputs.name(capsule));
        if (options.json()) {
            options.out().println(new JsonReport()
                    .put("tokens", layout.tokens())
                    .put("layers", layout.layers())
                    .put("raw_bytes", raw)
                    .put("capsule_bytes", bytes)
                    .put("ratio", (double) raw / bytes)
                    .put("seconds", seconds)
                    .put("codec", reader.manifest().codec().toString())
                    .put("relative_error", trailer.relativeError())
                    .put("frames", trailer.frames()));
        } else {
            options.out().printf(Locale.ROOT, "%s: good; %d frames, every checksum and every tile holds, %.2f s%n", Inputs.name(capsule), trailer.frames(), seconds);
        }
    }
}
