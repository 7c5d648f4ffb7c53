package dev.kvcapsule.serving.files;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A file that appears whole or not at all: written under a temporary name beside its place, then flushed to the disk and renamed. Closing it
 * without {@link #commit}, or the end of the program, removes the temporary file and leaves what was there before.
 */
public final class AtomicOutput implements AutoCloseable {
    private static final Set<Path> UNFINISHED = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> UNFINISHED.forEach(AtomicOutput::delete), "kvcapsule-remove-unfinished"));
    }

    private final Path target;
    private final Path written;
    private final FileChannel channel;

    private AtomicOutput(Path target, Path written, FileChannel channel) {
        this.target = target;
        this.written = written;
        this.channel = channel;
    }

    /**
     * Opens a file for writing.
     *
     * @param path where the file is to appear; a symbolic link is followed; something that is no regular file (a device, a pipe) is written as is
     * @throws IOException if its folder cannot be written to
     */
    public static AtomicOutput create(Path path) throws IOException {
        Path target = Files.exists(path) ? path.toRealPath() : path.toAbsolutePath();
        if (Files.isDirectory(target)) {
            throw new IOException(path + " is a folder");
        }
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            return new AtomicOutput(target, target, FileChannel.open(target, StandardOpenOption.WRITE));
        }
        if (Files.exists(target) && !Files.isWritable(target)) {
            throw new IOException(path + " is write-protected");
        }
        Path folder = target.getParent();
        if (!Files.isDirectory(folder)) {
            throw new IOException("folder " + folder + " does not exist");
        }
        Path written;
        try {
            written = Files.createTempFile(folder, "." + target.getFileName() + ".", ".part");
        } catch (FileSystemException e) {
            throw new IOException("folder " + folder + " cannot be written to: " + reason(e), e);
        }
        UNFINISHED.add(written);
        try {
            return new AtomicOutput(target, written, FileChannel.open(written, StandardOpenOption.READ, StandardOpenOption.WRITE));
        } catch (IOException e) {
            delete(written);
            throw e;
        }
    }

    private static String reason(FileSystemException e) {
        return e.getReason() == null ? e.getClass().getSimpleName() : e.getReason();
    }

    /** Whether the output is a regular file, which can be mapped and written in any order. */
    public boolean isRegular() {
        return !written.equals(target);
    }

    /** Where to write. */
    public FileChannel channel() {
        return channel;
    }

    /** Makes the file appear. */
    public void commit() throws IOException {
        if (!isRegular()) {
            channel.close();
            return;
        }
        keepPermissions();
        channel.force(true);
        channel.close();
        try {
            Files.move(written, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(written, target, StandardCopyOption.REPLACE_EXISTING);
        }
        UNFINISHED.remove(written);
        try (FileChannel folder = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        } catch (IOException e) {
            // Not every system lets a folder be flushed; the file itself already is.
        }
    }

    /** A temporary file is readable by its owner only; a new file gets what the system gives new files, a replaced one keeps its own. */
    private void keepPermissions() throws IOException {
        if (!Files.getFileStore(written).supportsFileAttributeView("posix")) {
            return;
        }
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            Files.setPosixFilePermissions(written, Files.getPosixFilePermissions(target));
            return;
        }
        Path probe = target.resolveSibling(written.getFileName() + ".mode");
        Files.deleteIfExists(probe);
        Files.createFile(probe);
        try {
            Files.setPosixFilePermissions(written, Files.getPosixFilePermissions(probe));
        } finally {
            Files.deleteIfExists(probe);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
        if (UNFINISHED.remove(written)) {
            delete(written);
        }
    }

    private static void delete(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            // It stays behind under its temporary name; there is nothing left to do about it.
        }
    }
}
