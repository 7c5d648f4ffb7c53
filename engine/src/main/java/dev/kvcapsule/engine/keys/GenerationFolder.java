package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Marks in a folder, a small file a session: named by a digest of whose it is, replaced by renaming, under a lock that holds for all processes. The last
 * number that was issued is in a file of its own beside it, {@code .issued}: capsules that never came to be leave the mark where it was.
 */
public final class GenerationFolder implements GenerationStore {
    private final Path folder;

    /** Marks in that folder, which is made when the first one is. */
    public GenerationFolder(Path folder) {
        this.folder = folder;
    }

    @Override
    public long highest(Session session) throws IOException {
        return read(file(session), "has reached");
    }

    @Override
    public long raise(Session session, long generation) throws IOException {
        PrivateFile.createFolder(folder);
        return PrivateFile.locked(folder, () -> {
            long highest = highest(session);
            if (generation > highest) {
                write(file(session), generation);
            }
            return Math.max(highest, generation);
        });
    }

    @Override
    public long next(Session session) throws IOException {
        PrivateFile.createFolder(folder);
        return PrivateFile.locked(folder, () -> {
            long last = Math.max(highest(session), issued(session));
            if (last == Long.MAX_VALUE) {
                throw new IOException("the session has used up its generations");
            }
            write(issuedFile(session), last + 1);
            return last + 1;
        });
    }

    private long issued(Session session) throws IOException {
        return read(issuedFile(session), "was given last");
    }

    private static long read(Path file, String what) throws IOException {
        if (!Files.exists(file)) {
            return 0;
        }
        String text = new String(PrivateFile.read(file), StandardCharsets.US_ASCII).strip();
        try {
            if (text.matches("[0-9]{1,19}")) {
                return Long.parseLong(text);
            }
        } catch (NumberFormatException e) {
            // Nineteen digits above 2^63 - 1: as bad as letters.
        }
        throw new IOException(file + " is damaged: it should hold the generation that its session " + what);
    }

    private Path issuedFile(Session session) {
        Path file = file(session);
        return file.resolveSibling(file.getFileName() + ".issued");
    }

    private static void write(Path file, long generation) throws IOException {
        PrivateFile.write(file, (generation + "\n").getBytes(StandardCharsets.US_ASCII));
    }

    private Path file(Session session) {
        return folder.resolve(DigestName.of(session.org(), session.user(), session.session()));
    }
}
