package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.ReentrantLock;

/** Small files that only their owner reads, and that are there whole or not at all. */
final class PrivateFile {
    private static final int MAX_BYTES = 1 << 20;
    private static final Set<PosixFilePermission> OWNERS = EnumSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE, PosixFilePermission.OWNER_EXECUTE);
    /** A file lock is the process's: threads of one process wait here. */
    private static final ReentrantLock IN_PROCESS = new ReentrantLock();

    private PrivateFile() {}

    /** Work under a lock. */
    interface Work<T> {
        T run() throws IOException;
    }

    /** Makes a folder that only its owner can look into, if it is not there. */
    static void createFolder(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            Files.createDirectories(folder, attributes(folder.toAbsolutePath(), "rwx------"));
        }
    }

    private static FileAttribute<?>[] attributes(Path path, String permissions) {
        boolean posix = path.getFileSystem().supportedFileAttributeViews().contains("posix");
        return posix ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))} : new FileAttribute<?>[0];
    }

    /** @throws KeyException if anybody but the owner may read or write it */
    static void checkPermissions(Path file) throws IOException {
        if (!file.getFileSystem().supportedFileAttributeViews().contains("posix")) {
            return;
        }
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file, LinkOption.NOFOLLOW_LINKS);
        if (!OWNERS.containsAll(permissions)) {
            throw new KeyException(file + " holds a private key and is open to others (" + PosixFilePermissions.toString(permissions) + "): run chmod 600 on it");
        }
    }

    /**
     * Reads all of it.
     *
     * @throws KeyException if it is larger than any key file
     */
    static byte[] read(Path file) throws IOException {
        if (Files.size(file) > MAX_BYTES) {
            throw new KeyException(file + " is too large for a key file");
        }
        return Files.readAllBytes(file);
    }

    /** Writes it under another name, flushes it, and renames it. */
    static void write(Path file, byte[] bytes) throws IOException {
        Path temporary = file.resolveSibling("." + file.getFileName() + "." + Long.toHexString(ThreadLocalRandom.current().nextLong()) + ".part");
        try {
            try (FileChannel channel = FileChannel.open(temporary, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), attributes(temporary, "rw-------"))) {
                writeAll(channel, bytes);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
        try (FileChannel folder = FileChannel.open(file.toAbsolutePath().getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        } catch (IOException e) {
            // Not every system lets a folder be flushed; the file itself already is.
        }
    }

    /** Overwrites what is there with zeros, so that its blocks do not tell it; what a file system or disk copied elsewhere stays. */
    static void shred(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            shred(channel);
        }
    }

    /** The same as {@link #write}, and overwrites the file that is replaced: only once the new one is in its place, so that no failure loses both. */
    static void replace(Path file, byte[] bytes) throws IOException {
        if (!Files.exists(file)) {
            write(file, bytes);
            return;
        }
        try (FileChannel old = FileChannel.open(file, StandardOpenOption.WRITE)) {
            write(file, bytes);
            shred(old);
        }
    }

    private static void shred(FileChannel channel) throws IOException {
        writeAll(channel, new byte[Math.toIntExact(channel.size())]);
    }

    private static void writeAll(FileChannel channel, byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
        channel.force(true);
    }

    /** Runs something while no other process or thread does so for that folder. */
    static <T> T locked(Path folder, Work<T> work) throws IOException {
        IN_PROCESS.lock();
        try (FileChannel channel = FileChannel.open(folder.resolve(".lock"), Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), attributes(folder, "rw-------"));
                FileLock lock = channel.lock()) {
            if (!lock.isValid()) {
                throw new IOException(folder + " cannot be locked");
            }
            return work.run();
        } finally {
            IN_PROCESS.unlock();
        }
    }
}
