package dev.kvcapsule.sessions.permission;

import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;

/** Records as lines of JSON, appended to a file that only its owner reads. A line goes out in one write and is flushed to the disk before its verdict is handed out. */
public final class JsonLinesAudit implements AuditSink, AutoCloseable {
    private final ReentrantLock lock = new ReentrantLock();
    private final FileChannel file;

    /**
     * Opens a log.
     *
     * @param path is made if it is not there; what it holds stays
     * @throws IOException if it cannot be written
     */
    public JsonLinesAudit(Path path) throws IOException {
        FileAttribute<?>[] owner = path.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))} : new FileAttribute<?>[0];
        this.file = FileChannel.open(path, Set.of(StandardOpenOption.CREATE, StandardOpenOption.APPEND), owner);
    }

    @Override
    public void keep(AuditRecord record) throws IOException {
        ByteBuffer line = ByteBuffer.wrap((Json.line(record.toMap()) + "\n").getBytes(StandardCharsets.UTF_8));
        lock.lock();
        try {
            while (line.hasRemaining()) {
                file.write(line);
            }
            file.force(false);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
