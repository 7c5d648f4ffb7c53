package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Shows keys. */
@Command(name = "list", mixinStandardHelpOptions = true, sortOptions = false, description = "Lists signing keys and tenants' wrapping keys.")
final class KeysListCommand implements Callable<Integer> {
    @Mixin
    private KeyOptions keys;

    @Mixin
    private KeysOutput output;

    @Override
    public Integer call() throws IOException {
        KeyFolder folder = keys.open();
        output.print(folder, "list", folder.signingKeys(), folder.tenantKeys());
        return ExitCode.DONE;
    }
}
