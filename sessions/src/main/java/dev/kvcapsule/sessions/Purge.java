package dev.kvcapsule.sessions;

import dev.kvcapsule.sessions.store.SessionStore;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * Removes all that is kept of a session: its row, messages, ledger and history, and its capsules with their keys. A capsule's data key is in its file only, wrapped: it is
 * overwritten before the file goes, and the capsule's id is revoked, so that a copy that somebody has is refused wherever that registry is asked. What another session shares
 * stays.
 */
public final class Purge {
    /** Revokes a capsule. */
    public interface Revoker {
        /** @param id 16 bytes */
        void revoke(byte[] id) throws IOException;
    }

    /**
     * What was removed.
     *
     * @param session whether there was a row
     * @param traces entries of the history
     * @param capsules files
     * @param revoked the capsule whose id is revoked from now on
     * @param sharedWith sessions that still use that capsule, which therefore is not revoked
     */
    public record Result(boolean session, int traces, int capsules, Optional<String> revoked, List<String> sharedWith) {}

    private Purge() {}

    /**
     * Removes one.
     *
     * @param revoker empty if there is no key registry here
     */
    public static Result of(SessionFolder sessions, String id, Optional<Revoker> revoker) throws IOException {
        SessionStore store = sessions.store();
        try (OpenSession session = sessions.open(id)) {
            Optional<CapsuleNote> note = session.read().flatMap(SessionState::capsule);
            List<String> others = note.isPresent() ? sessions.sharing(id, note.get()) : List.of();
            Optional<String> revoked = Optional.empty();
            if (note.isPresent() && others.isEmpty() && revoker.isPresent()) {
                revoker.get().revoke(HexFormat.of().parseHex(note.get().id()));
                revoked = Optional.of(note.get().id());
            }
            int capsules = destroyFiles(sessions.folder().resolve(id), others.isEmpty());
            int traces = store.traces().delete(id);
            return new Result(store.delete(id), traces, capsules, revoked, others);
        }
    }

    /** @param overwrite whether nobody else has the files under another name */
    private static int destroyFiles(Path folder, boolean overwrite) throws IOException {
        int capsules = 0;
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                if (overwrite && Files.isRegularFile(file)) {
                    Overwriting.head(file);
                }
                Files.deleteIfExists(file);
                capsules += file.getFileName().toString().endsWith(".kvc") ? 1 : 0;
            }
        } catch (NoSuchFileException e) {
            return 0;
        }
        Files.deleteIfExists(folder);
        return capsules;
    }
}
