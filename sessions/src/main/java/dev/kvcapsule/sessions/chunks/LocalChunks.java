package dev.kvcapsule.sessions.chunks;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.store.ChunkStore;
import dev.kvcapsule.store.Collected;
import dev.kvcapsule.store.StoreKey;
import dev.kvcapsule.store.StoreReader;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The chunks of all sessions. What is needed is what the capsules in the sessions' folders go on from, whether a state names them yet or not: a capsule is there before its state is, and its
 * chunks are before it.
 */
public final class LocalChunks {
    /** Bytes that the store may take unless something else is said: 32 GiB. */
    public static final long MOST_BYTES = 32L << 30;

    /** What of no use a store may hold before anybody looks: two segments. */
    private static final long SLACK = 2 * ChunkStore.SEGMENT_BYTES;

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final Path sessions;
    private final Path store;

    /**
     * @param sessions the folder of all sessions
     * @param store where chunks are; made with the first one
     */
    public LocalChunks(Path sessions, Path store) {
        this.sessions = sessions;
        this.store = store;
    }

    /** Those of a folder of sessions: in a folder beside it. */
    public static LocalChunks beside(Path sessions) {
        return new LocalChunks(sessions, sessions.resolveSibling("chunks"));
    }

    /** Where they are. */
    public Path folder() {
        return store;
    }

    /** Opens the store for reading. */
    public StoreReader read() throws IOException {
        return StoreReader.open(store);
    }

    /**
     * Opens it for writing; waits for somebody else who does.
     *
     * @throws dev.kvcapsule.store.StoreBusyException if that takes longer than a minute
     */
    public ChunkStore write(long mostBytes) throws IOException {
        return ChunkStore.open(store, ChunkStore.Limits.of(mostBytes), PATIENCE, InstantSource.system());
    }

    /** Every chunk that a session's capsule goes on from, by its key. A capsule that cannot be read needs none: it cannot be restored either. */
    public Map<String, ChunkRef> needed() throws IOException {
        Map<String, ChunkRef> chunks = new LinkedHashMap<>();
        for (Path capsule : capsules()) {
            try {
                CapsuleFile.chunks(capsule).forEach(chunk -> chunks.put(chunk.key(), chunk));
            } catch (MalformedDataException | CapsuleRefusedException | NoSuchFileException e) {
                // Damaged, or gone meanwhile.
            }
        }
        return chunks;
    }

    private List<Path> capsules() throws IOException {
        List<Path> capsules = new ArrayList<>();
        if (Files.isDirectory(sessions)) {
            try (DirectoryStream<Path> folders = Files.newDirectoryStream(sessions, Files::isDirectory)) {
                for (Path folder : folders) {
                    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "capsule-*.kvc")) {
                        files.forEach(capsules::add);
                    }
                }
            }
        }
        return capsules;
    }

    /** Removes what no session needs any more, if there is a store. */
    public void collect() throws IOException {
        if (Files.isDirectory(store)) {
            try (ChunkStore writing = write(MOST_BYTES)) {
                collect(writing, true);
            }
        }
    }

    /** Collects what has become of no use since, once that is as much as what is needed. */
    public void collectIfWasteful(ChunkStore writing) throws IOException {
        long needed = needed().values().stream().mapToLong(ChunkRef::bytes).sum();
        if (writing.bytes() > 2 * needed + SLACK) {
            collect(writing, false);
        }
    }

    /** Removes what no session needs and what has expired. @param thorough also where that takes copying much */
    public Collected collect(ChunkStore writing, boolean thorough) throws IOException {
        Set<StoreKey> live = new HashSet<>();
        needed().keySet().forEach(key -> live.add(new StoreKey(key)));
        return writing.collect(live, thorough);
    }
}
