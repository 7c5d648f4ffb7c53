package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.chunks.LocalChunks;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * All sessions: a folder each, with {@code state.json} and the capsule that it names. Reading takes no lock, since the state is replaced in one step and its capsule stays
 * until after that.
 */
public final class SessionFolder {
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");
    private static final String STATE = "state.json";

    private final Path folder;

    /** @param folder of all sessions; made when the first one is */
    public SessionFolder(Path folder) {
        this.folder = folder;
    }

    /** @throws IllegalArgumentException if it cannot name a session */
    public static void checkId(String id) {
        if (!ID.matcher(id).matches()) {
            throw new IllegalArgumentException("a session's name has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit");
        }
    }

    private Path of(String id) {
        checkId(id);
        return folder.resolve(id);
    }

    /** Names of all sessions, in order. */
    public List<String> list() throws IOException {
        List<String> ids = new ArrayList<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
                for (Path one : all) {
                    String name = one.getFileName().toString();
                    // Whatever else somebody has put there is no session.
                    if (ID.matcher(name).matches() && Files.isRegularFile(one.resolve(STATE))) {
                        ids.add(name);
                    }
                }
            }
        }
        ids.sort(null);
        return ids;
    }

    /**
     * A session's last checkpoint.
     *
     * @return empty if there is none
     * @throws MalformedDataException if it is damaged or of a newer schema
     */
    public Optional<SessionState> read(String id) throws IOException {
        Path file = of(id).resolve(STATE);
        try {
            SessionState state = SessionState.parse(Files.readString(file));
            if (!state.id().equals(id)) {
                throw new MalformedDataException("is of session '" + MalformedDataException.oneLine(state.id()) + "': 'capsule resume --fork' copies a session");
            }
            return Optional.of(state);
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (MalformedDataException e) {
            throw new MalformedDataException(file + ": " + e.getMessage());
        }
    }

    /** The chunks that capsules of all sessions go on from: in a folder beside the sessions'. */
    public LocalChunks chunks() {
        return new LocalChunks(folder, folder.resolveSibling("chunks"));
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

    static Path state(Path session) {
        return session.resolve(STATE);
    }
}
