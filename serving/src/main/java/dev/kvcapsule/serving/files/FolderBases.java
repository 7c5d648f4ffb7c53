package dev.kvcapsule.serving.files;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.codec.Bases;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * Bases in files: those that a user named, then all {@code *.kvb} files of some folders. A basis file ends with its digest, so that finding one reads 32
 * bytes a file. Files stay mapped until this is closed. Thread-safe.
 */
public final class FolderBases implements Bases, AutoCloseable {
    private static final int DIGEST_BYTES = 32;

    private final Arena arena = Arena.ofShared();
    private final List<Path> files;
    private final List<Path> folders;
    private final Map<String, MemorySegment> mapped = new HashMap<>();

    /**
     * @param files basis files, looked at first
     * @param folders folders of basis files; need not exist
     */
    public FolderBases(List<Path> files, List<Path> folders) {
        this.files = List.copyOf(files);
        this.folders = List.copyOf(folders);
    }

    /**
     * The digest that a basis file says it has.
     *
     * @throws MalformedDataException if it is too short to be a basis
     * @throws IOException if it cannot be read
     */
    public static String digest(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            ByteBuffer bytes = ByteBuffer.allocate(DIGEST_BYTES);
            long at = channel.size() - DIGEST_BYTES;
            while (at >= 0 && bytes.hasRemaining() && channel.read(bytes, at + bytes.position()) >= 0) {}
            if (at < 0 || bytes.hasRemaining()) {
                throw new MalformedDataException(file + ": not a basis file");
            }
            return HexFormat.of().formatHex(bytes.array());
        }
    }

    @Override
    public synchronized MemorySegment find(String digest) throws IOException {
        MemorySegment known = mapped.get(digest);
        if (known != null) {
            return known;
        }
        for (Path file : files) {
            if (digest(file).equals(digest)) {
                return map(digest, file);
            }
        }
        for (Path folder : folders) {
            for (Path file : list(folder)) {
                if (Files.isReadable(file) && Files.size(file) >= DIGEST_BYTES && digest(file).equals(digest)) {
                    return map(digest, file);
                }
            }
        }
        List<String> places = new ArrayList<>();
        files.forEach(file -> places.add(file.toString()));
        folders.forEach(folder -> places.add(folder.resolve("*.kvb").toString()));
        throw new CapsuleRefusedException("the capsule needs basis " + digest + ", which is not in " + (places.isEmpty() ? "any place that was named" : String.join(", ", places)));
    }

    private static List<Path> list(Path folder) throws IOException {
        if (!Files.isDirectory(folder) || !Files.isReadable(folder)) {
            return List.of();
        }
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, "*.kvb")) {
            stream.forEach(path -> {
                if (Files.isRegularFile(path)) {
                    found.add(path);
                }
            });
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        found.sort(null);
        return found;
    }

    private MemorySegment map(String digest, Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            mapped.put(digest, bytes);
            return bytes;
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
