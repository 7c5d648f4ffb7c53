package dev.kvcapsule.cli;

import dev.kvcapsule.serving.files.AtomicOutput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Public keys for others. */
@Command(name = "export", mixinStandardHelpOptions = true, sortOptions = false, description = "Writes all public keys, and revocations, as a JSON Web Key Set.")
final class KeysExportCommand implements Callable<Integer> {
    @Option(names = {"-o", "--output"}, paramLabel = "OUT.jwks", description = "The file (default: standard output).")
    private Path file;

    @Mixin
    private KeyOptions keys;

    @Mixin
    private KeysOutput output;

    @Override
    public Integer call() throws IOException {
        String set = keys.open().export().toJson();
        if (file == null || Inputs.isStandardOutput(file)) {
            output.out().print(set);
            return ExitCode.DONE;
        }
        AtomicOutput.write(file, set.getBytes(StandardCharsets.UTF_8));
        return ExitCode.DONE;
    }
}
