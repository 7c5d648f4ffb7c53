package dev.kvcapsule.cli;

import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.sessions.chunks.LocalChunks;
import dev.kvcapsule.store.StoreKey;
import dev.kvcapsule.store.StoreReader;
import dev.kvcapsule.store.StoreStatus;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** What is in the store, and what of it is needed. */
@Command(name = "status", mixinStandardHelpOptions = true, description = "Shows how much there is, and how much of it sessions need.")
final class StoreStatusCommand implements Callable<Integer> {
    @Mixin
    private OutputOptions options;

    @Override
    public Integer call() throws IOException {
        LocalChunks local = DatabaseOptions.chunks();
        try (StoreReader reader = local.read()) {
            StoreStatus status = reader.status();
            List<ChunkRef> needed = List.copyOf(local.needed().values());
            List<ChunkRef> there = needed.stream().filter(chunk -> reader.contains(new StoreKey(chunk.key()))).toList();
            long bytes = there.stream().mapToLong(ChunkRef::bytes).sum();
            if (options.json()) {
                options.out().println(new JsonReport().put("folder", local.folder().toString()).put("chunks", status.records()).put("chunk_bytes", status.recordBytes())
                        .put("segments", status.segments()).put("bytes", status.bytes()).put("needed_chunks", there.size()).put("needed_bytes", bytes)
                        .put("missing_chunks", needed.size() - there.size()));
                return ExitCode.DONE;
            }
            options.out().println(local.folder() + ": " + status.records() + " chunks, " + Sizes.text(status.bytes()) + " in " + status.segments() + " segments");
            options.out().println("needed: " + there.size() + " chunks, " + Sizes.text(bytes) + (there.size() == needed.size() ? "" : "; missing: " + (needed.size() - there.size())));
        }
        return ExitCode.DONE;
    }
}
