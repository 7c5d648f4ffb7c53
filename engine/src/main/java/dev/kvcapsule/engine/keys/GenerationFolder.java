package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;

/**
 * Marks in a folder, a small file a session: named by a digest of whose it is, replaced by renaming, under a lock that holds for all processes.
 */
public final class GenerationFolder implements GenerationStore {
    private final Path folder;

    /** Marks in that folder, which is made when the first one is. */
    public GenerationFolder(Path folder) {
        this.folder = folder;
    }

    @Override
    public long highest(Session session) throws IOException {
        Path file = file(session);
        if (!Files.exists(file)) {
            return 0;
        }
        String text = new String(PrivateFile.read(file), StandardCharsets.US_ASCII).strip();
        if (!text.matches("[0-9]{1,18}")) {
            throw new IOException(file + " is damaged: it should hold the generation that its session has reached");
        }
        return Long.parseLong(text);
    }

    @Override
    public void raise(Session session, long generation) throws IOException {
        PrivateFile.createFolder(folder);
        PrivateFile.locked(folder, () -> {
            if (generation > highest(session)) {
                write(session, generation);
            }
            return null;
        });
    }

    @Override
    public long next(Session session) throws IOException {
        PrivateFile.createFolder(folder);
        return PrivateFile.locked(folder, () -> {
            long next = highest(session) + 1;
            write(session, next);
            return next;
        });
    }

    private void write(Session session, long generation) throws IOException {
        PrivateFile.write(file(session), (generation + "\n").getBytes(StandardCharsets.US_ASCII));
    }

    private Path file(Session session) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String part : new String[] {session.org(), session.user(), session.session()}) {
                byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
                digest.update((bytes.length + ":").getBytes(StandardCharsets.US_ASCII));
                digest.update(bytes);
            }
            return folder.resolve(PrivateFile.nameOf(digest.digest()));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }
}
