package dev.kvcapsule.serving.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Files without a name in the temporary folder: nothing is left of them however the program ends. */
public final class TemporaryFile {
    private TemporaryFile() {}

    /**
     * Opens an empty file for reading and writing, which is gone when it is closed.
     *
     * @param purpose part of its name while it has one
     * @throws IOException if the temporary folder cannot be written to
     */
    public static FileChannel open(String purpose) throws IOException {
        Path path;
        try {
            path = Files.createTempFile("kvcapsule", "." + purpose);
        } catch (IOException e) {
            throw inFolder(e);
        }
        try {
            FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE);
            Files.deleteIfExists(path);
            return channel;
        } catch (IOException e) {
            Files.deleteIfExists(path);
            throw e;
        }
    }

    /** Appends all bytes; a failure names the folder that is full. */
    static void write(FileChannel channel, ByteBuffer bytes) throws IOException {
        try {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException e) {
            throw inFolder(e);
        }
    }

    private static IOException inFolder(IOException e) {
        return new IOException("the temporary folder " + System.getProperty("java.io.tmpdir") + " cannot hold it: " + e.getMessage()
                + "; name another one by CAPSULE_JAVA_OPTS=-Djava.io.tmpdir=FOLDER", e);
    }
}
