package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.chunks.LocalChunks;
import dev.kvcapsule.store.StoreKey;
import dev.kvcapsule.store.StoreReader;
import dev.kvcapsule.store.Verified;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Looks at every byte of every chunk. */
@Command(name = "verify", mixinStandardHelpOptions = true, description = "Checks every chunk against the checksum that it was written with; ends with 3 if one is damaged.")
final class StoreVerifyCommand implements Callable<Integer> {
    @Mixin
    private OutputOptions options;

    @Override
    public Integer call() throws IOException {
        LocalChunks local = DatabaseOptions.chunks();
        try (StoreReader reader = local.read()) {
            Verified verified = reader.verify();
            long missing = local.needed().keySet().stream().filter(key -> !reader.contains(new StoreKey(key))).count();
            if (options.json()) {
                options.out().println(new JsonReport().put("whole_chunks", verified.records()).put("damaged", verified.damaged().stream().map(StoreKey::hex).toList())
                        .put("missing_chunks", missing));
            } else {
                options.out().println(verified.records() + " chunks are whole, " + verified.damaged().size() + " damaged, " + missing + " missing");
                verified.damaged().forEach(key -> options.out().println("damaged: " + key.hex()));
            }
            return verified.damaged().isEmpty() && missing == 0 ? ExitCode.DONE : ExitCode.MALFORMED;
        }
    }
}
