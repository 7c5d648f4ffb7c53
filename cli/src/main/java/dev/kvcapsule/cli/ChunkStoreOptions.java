package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.chunks.LocalChunks;
import picocli.CommandLine.Option;

/** How much the store of chunks may take. */
final class ChunkStoreOptions {
    @Option(names = "--max-store", paramLabel = "BYTES", description = "Most bytes that chunks of all sessions take in CAPSULE_HOME (default: 32 GiB).")
    private Long most;

    long mostBytes() {
        if (most != null && most < 1) {
            throw new Failures.UsageException("--max-store " + most + " is not positive");
        }
        return most == null ? LocalChunks.MOST_BYTES : most;
    }
}
