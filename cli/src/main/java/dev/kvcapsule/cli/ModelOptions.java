package dev.kvcapsule.cli;

import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.llamacpp.GgufModel;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** What the state file does not say about its model. */
final class ModelOptions {
    @Option(names = "--model", paramLabel = "M.gguf", description = "The model's file; only its header is read: heads, RoPE, windows, kind of memory.")
    private Path model;

    @Option(names = "--model-facts", paramLabel = "FACTS",
            description = "The same by hand, such as rope=interleaved:100000:64,heads=3x64,window=0,memory=dense.")
    private String facts;

    /** The model's file; null if none was named. */
    Path file() {
        return model;
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
