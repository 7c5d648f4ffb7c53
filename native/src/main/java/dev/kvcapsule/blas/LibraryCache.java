package dev.kvcapsule.blas;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Files that the system's loader must find in a folder, taken out of jars once: {@code $XDG_CACHE_HOME/kvcapsule/} and so on, or {@code ~/.cache/}. Folders are
 * the owner's only; a file is written beside its place and moved there, and its digest is looked at before every use.
 */
final class LibraryCache {
    private final Path folder;

    /** A folder of the user's cache; it need not exist. */
    LibraryCache(String name) {
        this(home().resolve("kvcapsule").resolve(name));
    }

    /** A given folder. */
    LibraryCache(Path folder) {
        this.folder = folder;
    }

    private static Path home() {
        String xdg = System.getenv("XDG_CACHE_HOME");
        // The specification has relative paths ignored.
        return xdg != null && xdg.startsWith("/") ? Path.of(xdg) : Path.of(System.getProperty("user.home"), ".cache");
    }

    /**
     * The path of a file with known contents.
     *
     * @param resource where the class path has it
     * @param name     file name
     * @param sha256   digest, in hexadecimal digits
     * @throws IOException if it is not on the class path, is another file, or cannot be written
     */
    Path file(String resource, String name, String sha256) throws IOException {
        Path file = folder.resolve(name);
        if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) && digest(file).equals(sha256)) {
            return file;
        }
        Files.createDirectories(folder.getParent());
        if (!Files.isDirectory(folder)) {
            createFolder();
        }
        Path temporary = Files.createTempFile(folder, name, ".tmp");
        try (InputStream in = LibraryCache.class.getClassLoader().getResourceAsStream(resource)) {
            if (in == null) {
                throw new IOException("there is no " + resource + " on the class path");
            }
            Files.copy(in, temporary, StandardCopyOption.REPLACE_EXISTING);
            String found = digest(temporary);
            if (!found.equals(sha256)) {
                throw new IOException(resource + " is not the file that this version was made for: its SHA-256 is " + found + " instead of " + sha256);
            }
            move(temporary, file);
        } finally {
            Files.deleteIfExists(temporary);
        }
        return file;
    }

    private void createFolder() throws IOException {
        try {
            Files.createDirectory(folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (FileAlreadyExistsException e) {
            // Another process was faster.
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static String digest(Path file) throws IOException {
        try (DigestInputStream in = new DigestInputStream(Files.newInputStream(file), MessageDigest.getInstance("SHA-256"))) {
            byte[] buffer = new byte[1 << 16];
            while (in.read(buffer) >= 0) {
                // The digest sees what is read.
            }
            return HexFormat.of().formatHex(in.getMessageDigest().digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
