package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Checkpoints of older programs, which kept each in a file {@code state.json}. They are taken over into rows, once; killed in between, a file is taken over again, and its row is
 * the same.
 */
public final class StateFiles {
    private static final String STATE = "state.json";

    private StateFiles() {}

    /** Whether there are any. */
    public static boolean exist(Path folder) throws IOException {
        return !find(folder).isEmpty();
    }

    private static List<Path> find(Path folder) throws IOException {
        List<Path> found = new ArrayList<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
                for (Path one : all) {
                    if (Files.isRegularFile(one.resolve(STATE))) {
                        found.add(one.resolve(STATE));
                    }
                }
            }
        }
        found.sort(null);
        return found;
    }

    /**
     * Takes them over. One whose session has a checkpoint in the store is older than that, and goes.
     *
     * @return what could not be taken over, a line each, and is as it was
     */
    public static List<String> takeOver(SessionFolder sessions) throws IOException {
        List<String> left = new ArrayList<>();
        for (Path file : find(sessions.folder())) {
            String id = file.getParent().getFileName().toString();
            try (OpenSession session = sessions.open(id)) {
                if (session.read().isEmpty()) {
                    SessionState state = SessionState.parse(Files.readString(file));
                    if (!state.id().equals(id)) {
                        throw new MalformedDataException("is of session '" + MalformedDataException.oneLine(state.id()) + "'");
                    }
                    session.write(state);
                }
                Files.delete(file);
            } catch (SessionBusyException e) {
                // An older program is at work: the next command takes it over.
            } catch (MalformedDataException | IllegalArgumentException e) {
                left.add(file + ": " + e.getMessage());
            }
        }
        return left;
    }
}
