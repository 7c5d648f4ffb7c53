package dev.kvcapsule.serving.files;

import dev.kvcapsule.engine.memory.MemoryChannel;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A whole input in mapped memory: a file as it is, or a stream that was spooled to a temporary file first. Never on the heap. */
public final class InputFile implements AutoCloseable {
    private static final int SPOOL_BYTES = 1 << 20;

    private final Arena arena;
    private final MemorySegment bytes;

    private InputFile(Arena arena, MemorySegment bytes) {
        this.arena = arena;
        this.bytes = bytes;
    }

    /** Maps a file. */
    public static InputFile open(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            throw new IOException(path + " is a folder");
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            if (!Files.isRegularFile(path)) {
                return spool(channel);
            }
            return map(channel);
        }
    }

    /** Reads a stream to its end and maps what it held. */
    public static InputFile spool(ReadableByteChannel stream) throws IOException {
        try (FileChannel channel = TemporaryFile.open("spool")) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(SPOOL_BYTES);
            while (stream.read(buffer) >= 0) {
                buffer.flip();
                TemporaryFile.write(channel, buffer);
                buffer.clear();
            }
            return map(channel);
        }
    }

    private static InputFile map(FileChannel channel) throws IOException {
        Arena arena = Arena.ofShared();
        try {
            // An empty file cannot be mapped on every system.
            MemorySegment bytes = channel.size() == 0 ? MemorySegment.NULL : channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            return new InputFile(arena, bytes);
        } catch (IOException | RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** The bytes, read-only, until this is closed. */
    public MemorySegment bytes() {
        return bytes;
    }

    /** The same bytes, front to back. Closing the channel closes nothing. */
    public ReadableByteChannel channel() {
        return new MemoryChannel(bytes);
    }

    @Override
    public void close() {
        arena.close();
    }
}
