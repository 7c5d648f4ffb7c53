package dev.kvcapsule.serving.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicOutputTest {
    @TempDir
    private Path folder;

    private static String permissions(Path file) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    /** The temporary file's permissions while it is written. */
    private String whileWriting(Path target) throws IOException {
        try (AtomicOutput out = AtomicOutput.create(target)) {
            out.channel().write(ByteBuffer.allocate(9));
            Path part = files().stream().filter(file -> file.toString().endsWith(".part")).findFirst().orElseThrow();
            String permissions = permissions(part);
            out.commit();
            return permissions;
        }
    }

    @Test
    void onlyItsOwnerReadsWhatIsNotCommitted() throws IOException {
        Path target = folder.resolve("target");
        assertEquals("rw-------", whileWriting(target));
        assertEquals(permissions(Files.createFile(folder.resolve("usual"))), permissions(target), "what the mask leaves");
        for (String before : List.of("rw-rw-rw-", "rw-r-----", "rwx------")) {
            Files.setPosixFilePermissions(target, PosixFilePermissions.fromString(before));
            assertEquals("rw-------", whileWriting(target));
            assertEquals(before, permissions(target));
        }
        assertEquals(List.of(target, folder.resolve("usual")), files());
    }

    @Test
    void nothingIsLeftOfWhatIsNotCommitted() throws IOException {
        try (AtomicOutput out = AtomicOutput.create(folder.resolve("target"))) {
            out.channel().write(ByteBuffer.allocate(9));
        }
        assertEquals(List.of(), files());
    }

    @Test
    void bytesAtHandAreThereWholeOrNotAtAll() throws IOException {
        Path file = folder.resolve("file");
        for (byte[] bytes : new byte[][] {new byte[100_000], {1, 2, 3}, {}}) {
            AtomicOutput.write(file, bytes);
            assertArrayEquals(bytes, Files.readAllBytes(file));
        }
        assertThrows(IOException.class, () -> AtomicOutput.write(folder.resolve("none/file"), new byte[1]));
        assertEquals(List.of(file), files());
    }
}
