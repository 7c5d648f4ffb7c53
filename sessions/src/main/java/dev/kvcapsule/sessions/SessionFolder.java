package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.chunks.LocalChunks;
import dev.kvcapsule.sessions.row.CapsuleBoundary;
import dev.kvcapsule.sessions.row.CheckpointState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.SessionEdit;
import dev.kvcapsule.sessions.store.SessionExistsException;
import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Sessions with a checkpoint: their rows are in a store, their capsules in a folder each. Reading takes no lock, since the row is replaced in one step and the capsule that it names
 * stays until after that.
 */
public final class SessionFolder {
    private final Path folder;
    private final SessionStore store;

    /**
     * @param folder of all sessions' capsules; made when the first one is
     * @param store of their rows
     */
    public SessionFolder(Path folder, SessionStore store) {
        this.folder = folder;
        this.store = store;
    }

    private Path of(String id) {
        Session.checkId(id);
        return folder.resolve(id);
    }

    /** Rows of all sessions with a checkpoint, by their names in order. */
    public List<Session> list() throws IOException {
        return store.list(Integer.MAX_VALUE).stream().filter(session -> session.checkpoint().isPresent()).sorted(Comparator.comparing(Session::id)).toList();
    }

    /**
     * A session's last checkpoint.
     *
     * @return empty if there is none
     * @throws MalformedDataException if it is damaged or of a newer schema
     */
    public Optional<SessionState> read(String id) throws IOException {
        Session.checkId(id);
        Optional<Session> row = store.load(id);
        return row.isEmpty() ? Optional.empty() : state(row.get());
    }

    /** The last checkpoint of a row; as {@link #read}. */
    public static Optional<SessionState> state(Session row) throws MalformedDataException {
        Optional<CheckpointState> found = row.checkpoint();
        if (found.isEmpty()) {
            return Optional.empty();
        }
        String id = row.id();
        try {
            SessionState state = SessionState.of(found.get().state());
            if (!state.id().equals(id)) {
                throw new MalformedDataException("is of session '" + MalformedDataException.oneLine(state.id()) + "': 'capsule resume --fork' copies a session");
            }
            return Optional.of(state);
        } catch (MalformedDataException e) {
            throw new MalformedDataException("the checkpoint of session " + id + ": " + e.getMessage());
        }
    }

    /** The chunks that capsules of all sessions go on from: in a folder beside the sessions'. */
    public LocalChunks chunks() {
        return LocalChunks.beside(folder);
    }

    /** Makes that state a session's checkpoint, in one step. @param passed a boundary that its capsule does not have any more */
    void write(SessionState state, Optional<CapsuleBoundary> passed) throws IOException {
        CheckpointState checkpoint = new CheckpointState(state.toMap(), Optional.empty(), Optional.empty(), state.checkpointAt(), SessionState.SCHEMA);
        if (!store.exists(state.id())) {
            create(state.id());
        }
        store.edit(state.id(), OptionalLong.empty(), locked -> {
            Session row = locked.session().withCheckpoint(Optional.of(checkpoint));
            boolean isPassed = passed.isPresent() && row.compaction().boundary().equals(passed);
            return SessionEdit.of(isPassed ? row.withCompaction(row.compaction().withoutBoundary()) : row);
        });
    }

    private void create(String id) throws IOException {
        try {
            store.create(Session.fresh(id));
        } catch (SessionExistsException e) {
            // Somebody else was first: it is there.
        }
    }

    /**
     * Goes on as another session: its row is a fork's, its capsule a second name of the same file where that is possible, until the other one has a checkpoint of its own.
     *
     * @param at the last message that both have; empty for all
     * @throws SessionExistsException if there is a session of that name
     */
    public Session fork(String id, Optional<String> at, String newId) throws IOException {
        Session.checkId(newId);
        try (OpenSession session = open(id); OpenSession other = open(newId)) {
            Session child = store.fork(id, at, newId);
            Optional<SessionState> state = session.read();
            if (state.isPresent()) {
                if (state.get().capsule().isPresent()) {
                    other.share(session.capsule(state.get().capsule().get()));
                }
                other.write(state.get().forked(newId, child.createdAt()));
            }
            return store.load(newId).orElseThrow();
        }
    }

    /** Names of the sessions whose checkpoint names that capsule, too. */
    List<String> sharing(String id, CapsuleNote note) throws IOException {
        List<String> others = new ArrayList<>();
        for (Session other : list()) {
            if (!other.id().equals(id) && state(other).flatMap(SessionState::capsule).map(CapsuleNote::id).filter(note.id()::equals).isPresent()) {
                others.add(other.id());
            }
        }
        return others;
    }

    /** The store of the rows. */
    public SessionStore store() {
        return store;
    }

    /** The folder of the sessions' folders. */
    Path folder() {
        return folder;
    }

    /** The file of a session's capsule. */
    public Path capsule(String id, CapsuleNote note) {
        return of(id).resolve(note.file());
    }

    /**
     * Opens a session for writing, whether it is there yet or not.
     *
     * @throws SessionBusyException if somebody else writes it
     */
    public OpenSession open(String id) throws IOException {
        Path mine = of(id);
        if (!Files.isDirectory(mine)) {
            if (mine.getFileSystem().supportedFileAttributeViews().contains("posix")) {
                Files.createDirectories(mine, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            } else {
                Files.createDirectories(mine);
            }
        }
        FileChannel channel = FileChannel.open(mine.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            FileLock lock = channel.tryLock();
            if (lock == null) {
                throw new SessionBusyException(id);
            }
            return new OpenSession(this, id, mine, channel);
        } catch (OverlappingFileLockException e) {
            channel.close();
            throw new SessionBusyException(id);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }
}
