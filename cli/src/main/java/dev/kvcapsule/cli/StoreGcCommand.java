package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.chunks.LocalChunks;
import dev.kvcapsule.store.ChunkStore;
import dev.kvcapsule.store.Collected;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Removes chunks that no session needs. */
@Command(name = "gc", mixinStandardHelpOptions = true, description = "Removes chunks that no session's capsule goes on from, and those that have expired.")
final class StoreGcCommand implements Callable<Integer> {
    @Mixin
    private OutputOptions options;

    @Override
    public Integer call() throws IOException {
        LocalChunks local = DatabaseOptions.chunks();
        try (ChunkStore store = local.write(LocalChunks.MOST_BYTES)) {
            Collected collected = local.collect(store, true);
            if (options.json()) {
                options.out().println(new JsonReport().put("removed_chunks", collected.removed()).put("moved_chunks", collected.moved()).put("freed_bytes", collected.freed())
                        .put("kept_chunks", collected.kept()).put("bytes", store.bytes()));
            } else {
                options.out().println("removed " + collected.removed() + " chunks, " + Sizes.text(collected.freed()) + " free; " + collected.kept() + " chunks left, " + Sizes.text(store.bytes()));
            }
        }
        return ExitCode.DONE;
    }
}
