package dev.kvcapsule.gateway;

import java.io.IOException;
import java.nio.channels.FileChannel;
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
    private final FolderLock lock;
    private boolean closed;

    private SlotFolder(Path folder, FolderLock lock) {
        this.folder = folder;
        this.lock = lock;
    }

    /** @throws IOException if it is not there, cannot be written to, or another gateway uses it */
    static SlotFolder open(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new IOException("slot folder " + folder + " does not exist: give the folder that llama-server has as --slot-save-path");
        }
        FolderLock lock = FolderLock.take(folder, "slot folder");
        try {
            SlotFolder opened = new SlotFolder(folder, lock);
            opened.sweep();
            return opened;
        } catch (IOException e) {
            lock.close();
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

    /** Removes what requests that were cut off have left, conversations in clear, and gives the folder back; a second time does nothing, since it may be another gateway's then. */
    @Override
    public synchronized void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try (lock) {
            sweep();
        }
    }
}
