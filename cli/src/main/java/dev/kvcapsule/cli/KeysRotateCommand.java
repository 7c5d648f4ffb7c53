package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Another key in a key's place. */
@Command(name = "rotate", mixinStandardHelpOptions = true, sortOptions = false, description = "Has another key sign, or wrap, from now on; the old one still verifies, or unwraps.")
final class KeysRotateCommand implements Callable<Integer> {
    @Parameters(paramLabel = "KID", arity = "0..1", description = "The signing key to retire.")
    private String kid;

    @Option(names = "--to", paramLabel = "KID", description = "The key to sign with (default: a new one).")
    private String to;

    @Option(names = "--tenant", paramLabel = "TENANT", description = "Give the tenant a new wrapping key instead.")
    private String tenant;

    @Mixin
    private KeyOptions keys;

    @Mixin
    private KeysOutput output;

    @Override
    public Integer call() throws IOException {
        if ((kid == null) == (tenant == null)) {
            throw new Failures.UsageException("what is to be rotated? Give the KID of a signing key, or --tenant TENANT");
        }
        KeyFolder folder = keys.open();
        if (tenant != null) {
            output.print(folder, "active", List.of(), List.of(folder.lifecycle().rotateTenantKey(tenant)));
        } else {
            output.print(folder, "active", List.of(folder.lifecycle().rotate(kid, Optional.ofNullable(to), Instant.now())), List.of());
        }
        return ExitCode.DONE;
    }
}
