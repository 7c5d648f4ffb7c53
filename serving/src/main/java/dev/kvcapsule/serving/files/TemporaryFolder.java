package dev.kvcapsule.serving.files;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/** A folder for files that other programs or libraries must find by name. It is gone when it is closed or the program ends, Ctrl-C included. */
public final class TemporaryFolder implements AutoCloseable {
    private final Path path;
    private final Thread hook;

    private TemporaryFolder(Path path) {
        this.path = path;
        this.hook = new Thread(this::remove, "kvcapsule-remove-folder");
    }

    /**
     * Makes one in the system's folder for temporary files.
     *
     * @param purpose part of its name
     */
    public static TemporaryFolder create(String purpose) throws IOException {
        TemporaryFolder folder = new TemporaryFolder(Files.createTempDirectory("kvcapsule-" + purpose));
        Runtime.getRuntime().addShutdownHook(folder.hook);
        return folder;
    }

    /** A file in it, which need not be there. */
    public Path resolve(String name) {
        return path.resolve(name);
    }

    private void remove() {
        try (Stream<Path> files = Files.walk(path)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException | UncheckedIOException e) {
            // It stays behind in the folder for temporary files.
        }
    }

    @Override
    public void close() {
        remove();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The program is ending, and the hook at work: it does no harm twice.
        }
    }
}
