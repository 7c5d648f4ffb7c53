package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.Jwks;
import dev.kvcapsule.engine.keys.KeyFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Public keys of others. */
@Command(name = "import", mixinStandardHelpOptions = true, sortOptions = false, description = "Takes over public keys, which verify from then on, and revocations.")
final class KeysImportCommand implements Callable<Integer> {
    @Parameters(paramLabel = "IN.jwks", description = "A JSON Web Key Set of public keys.")
    private Path file;

    @Mixin
    private KeyOptions keys;

    @Mixin
    private KeysOutput output;

    @Override
    public Integer call() throws IOException {
        Jwks set = Inputs.about(file.toString(), () -> Jwks.read(file));
        KeyFolder folder = keys.open();
        folder.lifecycle().importKeys(set);
        output.print(folder, "list", folder.signingKeys(), List.of());
        return ExitCode.DONE;
    }
}
