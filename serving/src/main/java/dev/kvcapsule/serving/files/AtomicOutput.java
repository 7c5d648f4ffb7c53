package dev.kvcapsule.serving.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A file that appears whole or not at all: written under a temporary name beside its place, then flushed to the disk and renamed. Closing it
 * without {@link #commit}, or the end of the program, removes the temporary file and leaves what was there before. Until it is committed only its owner
 * can read it: it may hold what is refused in the end.
 */
public final class AtomicOutput implements AutoCloseable {
    private static final int MAX_LINKS = 40;
    private static final Set<StandardOpenOption> NEW = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
    private static final Set<PosixFilePermission> OWNERS = Set.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);
    private static final Set<Path> UNFINISHED = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> UNFINISHED.forEach(AtomicOutput::delete), "kvcapsule-remove-unfinished"));
    }

    private final Path target;
    private final Path written;
    private final FileChannel channel;
    private final Optional<Set<PosixFilePermission>> permissions;

    /** @param permissions of the file when it appears; empty where files have none */
    private AtomicOutput(Path target, Path written, FileChannel channel, Optional<Set<PosixFilePermission>> permissions) {
        this.target = target;
        this.written = written;
        this.channel = channel;
        this.permissions = permissions;
    }

    /**
     * Opens a file for writing.
     *
     * @param path where the file is to appear; a symbolic link is followed; something that is no regular file (a device, a pipe) is written as is
     * @throws IOException if its folder cannot be written to
     */
    public static AtomicOutput create(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            throw new IOException(path + " is a folder");
        }
        boolean exists = Files.exists(path);
        if (exists && !Files.isRegularFile(path)) {
            // Opened by the name it was given: what stands behind a standard stream's has none that could be opened.
            return new AtomicOutput(path, path, FileChannel.open(path, StandardOpenOption.WRITE), Optional.empty());
        }
        if (exists && !Files.isWritable(path)) {
            throw new IOException(path + " is write-protected");
        }
        Path target = exists ? path.toRealPath() : whereLinksLead(path.toAbsolutePath());
        Path folder = target.getParent();
        if (!Files.isDirectory(folder)) {
            throw new IOException("folder " + folder + " does not exist");
        }
        return temporary(target, folder);
    }

    /**
     * Writes bytes that are at hand: the file is there with all of them when this returns, or as it was before.
     *
     * @param path as for {@link #create}
     * @throws IOException if it cannot be written
     */
    public static void write(Path path, byte[] bytes) throws IOException {
        try (AtomicOutput out = create(path)) {
            ByteBuffer left = ByteBuffer.wrap(bytes);
            while (left.hasRemaining()) {
                out.channel.write(left);
            }
            out.commit();
        }
    }

    private static AtomicOutput temporary(Path target, Path folder) throws IOException {
        Path written = folder.resolve("." + target.getFileName() + "." + Long.toHexString(ThreadLocalRandom.current().nextLong()) + ".part");
        UNFINISHED.add(written);
        try {
            Optional<Set<PosixFilePermission>> permissions = hasPermissions(folder) ? Optional.of(permissions(target, written)) : Optional.empty();
            FileAttribute<?>[] owners = permissions.isPresent() ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(OWNERS)} : new FileAttribute<?>[0];
            return new AtomicOutput(target, written, FileChannel.open(written, NEW, owners), permissions);
        } catch (IOException e) {
            delete(written);
            UNFINISHED.remove(written);
            throw e instanceof FileSystemException f ? new IOException("folder " + folder + " cannot be written to: " + reason(f), f) : e;
        }
    }

    /** Follows a symbolic link whose end is not there yet. */
    private static Path whereLinksLead(Path path) throws IOException {
        Path target = path;
        for (int links = 0; Files.isSymbolicLink(target); links++) {
            if (links == MAX_LINKS) {
                throw new IOException(path + " is a symbolic link that leads in a circle");
            }
            target = target.resolveSibling(Files.readSymbolicLink(target)).normalize();
        }
        return target;
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
        try {
            channel.force(true);
            channel.close();
        } catch (IOException e) {
            throw new OutputException(e);
        }
        if (permissions.isPresent()) {
            Files.setPosixFilePermissions(written, Files.exists(target) ? Files.getPosixFilePermissions(target) : permissions.get());
        }
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

    /** A file that replaces another gets that one's permissions; a new one what the user's mask leaves, which only an empty file that is made tells. */
    private static Set<PosixFilePermission> permissions(Path target, Path probe) throws IOException {
        if (Files.exists(target)) {
            return Files.getPosixFilePermissions(target);
        }
        Files.createFile(probe);
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(probe);
        Files.delete(probe);
        return permissions;
    }

    private static boolean hasPermissions(Path path) throws IOException {
        return Files.getFileStore(path).supportsFileAttributeView("posix");
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
