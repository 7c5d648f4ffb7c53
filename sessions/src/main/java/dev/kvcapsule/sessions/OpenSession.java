package dev.kvcapsule.sessions;

import dev.kvcapsule.sessions.chunks.LocalChunks;
import dev.kvcapsule.sessions.row.CapsuleBoundary;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Optional;

/**
 * A session that this program alone writes, until it is closed. A checkpoint is there from the moment its state is: a capsule is written first, under a name that no state
 * has named, and the one before goes last. Killed at any point, the session is what it was, or what it was to become.
 */
public final class OpenSession implements AutoCloseable {
    private static final int NAME_BYTES = 8;

    private final SessionFolder sessions;
    private final String id;
    private final Path folder;
    private final FileChannel lock;

    OpenSession(SessionFolder sessions, String id, Path folder, FileChannel lock) {
        this.sessions = sessions;
        this.id = id;
        this.folder = folder;
        this.lock = lock;
    }

    /** Its name. */
    public String id() {
        return id;
    }

    /** Its last checkpoint; empty if there is none. */
    public Optional<SessionState> read() throws IOException {
        return sessions.read(id);
    }

    /** How far its capsule holds since it was compacted; empty if all of it does, or nobody could tell. */
    public Optional<CapsuleBoundary> boundary() throws IOException {
        return sessions.store().load(id).flatMap(row -> row.compaction().boundary());
    }

    /** Gives the database to others while something else takes long. */
    void pause() {
        sessions.store().pause();
    }

    /** A file for a new capsule, which no state names yet. */
    public Path newCapsule() {
        byte[] name = new byte[NAME_BYTES];
        new SecureRandom().nextBytes(name);
        return folder.resolve("capsule-" + HexFormat.of().formatHex(name) + ".kvc");
    }

    /** The chunks that capsules of all sessions go on from. */
    public LocalChunks chunks() {
        return sessions.chunks();
    }

    /** The file of a capsule that a state names. */
    public Path capsule(CapsuleNote note) {
        return folder.resolve(note.file());
    }

    /** Makes that state the checkpoint, and removes capsules that it does not name. */
    public void write(SessionState state) throws IOException {
        write(state, Optional.empty());
    }

    /** The same with a capsule that was made after the compaction which left that boundary: all of it holds. */
    void write(SessionState state, Optional<CapsuleBoundary> passed) throws IOException {
        sessions.write(state, passed);
        sweep(state);
    }

    /** Takes another session's capsule, as a second name of the same file where that is possible. */
    void share(Path capsule) throws IOException {
        if (!Files.isRegularFile(capsule)) {
            return;
        }
        Path mine = folder.resolve(capsule.getFileName().toString());
        Files.deleteIfExists(mine);
        try {
            Files.createLink(mine, capsule);
        } catch (IOException | UnsupportedOperationException e) {
            Files.copy(capsule, mine);
        }
    }

    /** Also what a program that was killed left behind: unfinished files begin with a dot. */
    private void sweep(SessionState state) throws IOException {
        String named = state.capsule().map(CapsuleNote::file).orElse("");
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "{capsule-*.kvc,.*.part}")) {
            for (Path file : files) {
                if (!file.getFileName().toString().equals(named)) {
                    Files.deleteIfExists(file);
                }
            }
        }
    }

    @Override
    public void close() throws IOException {
        // The lock goes with its channel.
        lock.close();
    }
}
