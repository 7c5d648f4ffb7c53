package dev.kvcapsule.cli;

import dev.kvcapsule.engine.seal.ModelIdentity;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.llamacpp.GgufModel;
import dev.kvcapsule.serving.llamacpp.ModelFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What the state file does not say about its model. */
final class ModelOptions {
    @Option(names = "--model", paramLabel = "M.gguf", description = "The model's file: heads, RoPE, windows and kind of memory are in its header; a seal is bound to a digest of all of it.")
    private Path model;

    @Option(names = "--model-facts", paramLabel = "FACTS",
            description = "The same by hand, such as rope=interleaved:100000:64,heads=3x64,window=0,memory=dense.")
    private String facts;

    /** The model's file; null if none was named. */
    Path file() {
        return model;
    }

    /** What a seal is bound to of the model; empty if none was named. */
    Optional<ModelIdentity> identity(PrintWriter err) throws IOException {
        if (model == null) {
            return Optional.empty();
        }
        try (ProgressBar bar = ProgressBar.start("hashing the model", err)) {
            return Optional.of(Inputs.about(model.toString(), () -> ModelFile.identify(model, bar)));
        }
    }

    ModelFacts facts() throws IOException {
        if (model != null && facts != null) {
            throw new Failures.UsageException("--model and --model-facts say the same: give one of them");
        }
        if (model != null) {
            return Inputs.about(model.toString(), () -> GgufModel.facts(model));
        }
        try {
            return facts == null ? ModelFacts.UNKNOWN : ModelFacts.parse(facts);
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException("--model-facts: " + e.getMessage());
        }
    }
}
