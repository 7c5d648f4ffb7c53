package dev.kvcapsule.gateway;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Keeps a folder to one gateway at a time, in this process or another. The system takes it back from one that is killed. */
final class FolderLock implements AutoCloseable {
    private final FileChannel file;

    private FolderLock(FileChannel file) {
        this.file = file;
    }

    /**
     * Takes it.
     *
     * @param what the folder is, for the message
     * @throws IOException if another gateway has it, or it cannot be written to
     */
    static FolderLock take(Path folder, String what) throws IOException {
        FileChannel file = FileChannel.open(folder.resolve(".kvcapsule-lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            if (file.tryLock() == null) {
                throw used(folder, what, null);
            }
            return new FolderLock(file);
        } catch (OverlappingFileLockException e) {
            file.close();
            throw used(folder, what, e);
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    private static IOException used(Path folder, String what, Exception cause) {
        return new IOException(what + " " + folder + " is used by another gateway", cause);
    }

    /** Gives it back; a second time does nothing. */
    @Override
    public void close() throws IOException {
        // The lock goes with its channel.
        file.close();
    }
}
