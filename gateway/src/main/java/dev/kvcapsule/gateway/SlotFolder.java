package dev.kvcapsule.gateway;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.HexFormat;

/**
 * The folder through which states go to and from the llama-server. Names are random and never a client's; files are there only while they are handed over. What a
 * gateway that was killed left behind is removed when the next one starts, which is why a folder belongs to one gateway at a time.
 */
final class SlotFolder implements AutoCloseable {
    private static final String PREFIX = "kvcapsule-";
    private static final String SUFFIX = ".slot";
    private static final int RANDOM_BYTES = 16;

    private final SecureRandom random = new SecureRandom();
    private final Path folder;
    private final FileChannel lockFile;
    private final FileLock lock;

    private SlotFolder(Path folder, FileChannel lockFile, FileLock lock) {
        this.folder = folder;
        this.lockFile = lockFile;
        this.lock = lock;
    }

    /** @throws IOException if it is not there, cannot be written to, or another gateway uses it */
    static SlotFolder open(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new IOException("slot folder " + folder + " does not exist: give the folder that llama-server has as --slot-save-path");
        }
        FileChannel channel = FileChannel.open(folder.resolve(".kvcapsule-lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            FileLock lock = channel.tryLock();
            if (lock == null) {
                throw new IOException("slot folder " + folder + " is used by another gateway");
            }
            SlotFolder opened = new SlotFolder(folder, channel, lock);
            opened.sweep();
            return opened;
        } catch (OverlappingFileLockException e) {
            channel.close();
            throw new IOException("slot folder " + folder + " is used by another gateway", e);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private void sweep() throws IOException {
        try (DirectoryStream<Path> left = Files.newDirectoryStream(folder, PREFIX + "*" + SUFFIX)) {
            for (Path file : left) {
                Files.deleteIfExists(file);
            }
        }
    }

    /** Where the owners of slots are written down. */
    Path owners() {
        return folder.resolve(".kvcapsule-owners");
    }

    /** A name that no file has. */
    String newName() {
        byte[] bytes = new byte[RANDOM_BYTES];
        random.nextBytes(bytes);
        return PREFIX + HexFormat.of().formatHex(bytes) + SUFFIX;
    }

    Path file(String name) {
        return folder.resolve(name);
    }

    /** Makes an empty file that only this user can read, for a state that is being decoded. */
    FileChannel create(String name) throws IOException {
        Path file = file(name);
        if (Files.getFileStore(folder).supportsFileAttributeView("posix")) {
            Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        } else {
            Files.createFile(file);
        }
        return FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    void delete(String name) throws IOException {
        Files.deleteIfExists(file(name));
    }

    @Override
    public void close() throws IOException {
        lock.release();
        lockFile.close();
    }
}
