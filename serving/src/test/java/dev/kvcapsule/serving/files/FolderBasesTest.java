package dev.kvcapsule.serving.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FolderBasesTest {
    private static final String NONE = "ff".repeat(32);

    @TempDir
    private Path folder;

    /** A file whose last 32 bytes are that byte; what comes before is not looked at here. */
    private Path basis(String name, int digest, int before) throws IOException {
        byte[] bytes = new byte[before + 32];
        java.util.Arrays.fill(bytes, before, bytes.length, (byte) digest);
        Files.createDirectories(folder.resolve(name).getParent());
        return Files.write(folder.resolve(name), bytes);
    }

    private static String digest(int b) {
        return String.format("%02x", b).repeat(32);
    }

    @Test
    void theDigestIsTheLastBytes() throws IOException {
        assertEquals(digest(0xab), FolderBases.digest(basis("a.kvb", 0xab, 100)));
        assertEquals(digest(1), FolderBases.digest(basis("b.kvb", 1, 0)));
        assertThrows(NoSuchFileException.class, () -> FolderBases.digest(folder.resolve("missing")));
    }

    @Test
    void filesThatAreTooShortAreNoBases() throws IOException {
        for (int length : new int[] {0, 1, 31}) {
            Path file = Files.write(folder.resolve("short"), new byte[length]);
            String message = assertThrows(MalformedDataException.class, () -> FolderBases.digest(file)).getMessage();
            assertTrue(message.contains("not a basis file"), message);
        }
    }

    @Test
    void namedFilesComeFirstThenFoldersInTheirOrder() throws IOException {
        Path named = basis("named.bin", 7, 1);
        basis("one/a.kvb", 7, 2);
        basis("one/b.kvb", 8, 3);
        basis("two/c.kvb", 8, 4);
        basis("two/d.kvb", 9, 5);
        try (FolderBases bases = new FolderBases(List.of(named), List.of(folder.resolve("one"), folder.resolve("two")))) {
            assertEquals(33, bases.find(digest(7)).byteSize());
            assertEquals(35, bases.find(digest(8)).byteSize());
            MemorySegment last = bases.find(digest(9));
            assertEquals(37, last.byteSize());
            assertTrue(last.isNative() && last.isReadOnly());
            assertEquals(9, last.get(ValueLayout.JAVA_BYTE, 36));
            assertSame(last, bases.find(digest(9)));
        }
    }

    @Test
    void twoFilesOfOneFolderAreLookedAtByName() throws IOException {
        basis("f/b.kvb", 3, 20);
        basis("f/a.kvb", 3, 10);
        try (FolderBases bases = new FolderBases(List.of(), List.of(folder.resolve("f")))) {
            assertEquals(42, bases.find(digest(3)).byteSize());
        }
    }

    @Test
    void whatIsNoBasisInAFolderIsPassedOver() throws IOException {
        Path in = Files.createDirectory(folder.resolve("in"));
        Files.createDirectory(in.resolve("folder.kvb"));
        Files.write(in.resolve("empty.kvb"), new byte[0]);
        Files.write(in.resolve("short.kvb"), new byte[31]);
        Files.createSymbolicLink(in.resolve("broken.kvb"), Path.of("nowhere"));
        basis("in/other.bin", 5, 0);
        basis("elsewhere/real", 6, 0);
        Files.createSymbolicLink(in.resolve("link.kvb"), folder.resolve("elsewhere/real"));
        try (FolderBases bases = new FolderBases(List.of(), List.of(folder.resolve("missing"), in, in.resolve("short.kvb")))) {
            assertEquals(32, bases.find(digest(6)).byteSize());
            assertThrows(CapsuleRefusedException.class, () -> bases.find(digest(5)));
        }
    }

    @Test
    void whatIsMissingIsNamedWithThePlacesThatWereSearched() throws IOException {
        Path named = basis("named.kvb", 1, 0);
        try (FolderBases bases = new FolderBases(List.of(named), List.of(folder.resolve("bases"), folder))) {
            String message = assertThrows(CapsuleRefusedException.class, () -> bases.find(NONE)).getMessage();
            assertTrue(message.contains(NONE) && message.contains(named.toString()) && message.contains(folder.resolve("bases").toString()), message);
        }
        try (FolderBases bases = new FolderBases(List.of(), List.of())) {
            String message = assertThrows(CapsuleRefusedException.class, () -> bases.find(NONE)).getMessage();
            assertTrue(message.contains(NONE) && message.contains("any place"), message);
        }
    }

    @Test
    void namedFilesThatCannotBeReadFail() throws IOException {
        try (FolderBases bases = new FolderBases(List.of(folder.resolve("missing.kvb")), List.of())) {
            assertThrows(NoSuchFileException.class, () -> bases.find(NONE));
        }
        try (FolderBases bases = new FolderBases(List.of(Files.write(folder.resolve("short"), new byte[3])), List.of())) {
            assertThrows(MalformedDataException.class, () -> bases.find(NONE));
        }
    }

    @Test
    void basesAreGoneOnceClosed() throws IOException {
        basis("a.kvb", 4, 0);
        MemorySegment found;
        try (FolderBases bases = new FolderBases(List.of(), List.of(folder))) {
            found = bases.find(digest(4));
        }
        assertThrows(IllegalStateException.class, () -> found.get(ValueLayout.JAVA_BYTE, 0));
    }
}
