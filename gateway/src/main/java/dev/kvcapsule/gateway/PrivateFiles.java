package dev.kvcapsule.gateway;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Set;

/** Files that hold secrets are their owner's alone. */
final class PrivateFiles {
    private PrivateFiles() {}

    /**
     * Checks that nobody but a file's owner can read it, where the file system knows owners.
     *
     * @param what it does, for the message: "holds tokens"
     * @throws IOException if others can
     */
    static void require(Path file, String what) throws IOException {
        if (!Files.getFileStore(file).supportsFileAttributeView("posix")) {
            return;
        }
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
        if (permissions.contains(PosixFilePermission.GROUP_READ) || permissions.contains(PosixFilePermission.OTHERS_READ)) {
            throw new IOException(file + " " + what + " and can be read by others: run chmod 600 on it");
        }
    }
}
