package dev.kvcapsule.engine.keys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GenerationFolderTest {
    private static final GenerationStore.Session SESSION = new GenerationStore.Session("acme", "ann", "s");

    @TempDir
    private Path folder;

    @Test
    void generationsAreEachGivenOnceToManyThreads() {
        Path marks = folder.resolve("marks");
        ConcurrentSkipListSet<Long> given = new ConcurrentSkipListSet<>();
        IntStream.range(0, 60).parallel().forEach(i -> {
            try {
                assertTrue(given.add(new GenerationFolder(marks).next(SESSION)));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        assertEquals(60L, given.last());
    }

    @Test
    void generationsOnlyRiseAndSessionsAreApart() throws IOException {
        GenerationFolder marks = new GenerationFolder(folder.resolve("marks"));
        GenerationStore.Session two = new GenerationStore.Session("acme", "anns", "");
        assertEquals(5, marks.raise(SESSION, 5));
        assertEquals(5, marks.raise(SESSION, 3), "somebody else was faster");
        assertEquals(5, marks.highest(SESSION));
        assertEquals(0, marks.highest(two));
        assertEquals(6, marks.next(SESSION));
        try (var files = Files.list(folder.resolve("marks"))) {
            for (Path file : files.filter(path -> !path.getFileName().toString().equals(".lock")).toList()) {
                Files.writeString(file, "many");
            }
        }
        assertThrows(IOException.class, () -> marks.highest(SESSION));
    }

    @Test
    void aMarkHoldsEveryGenerationThatACapsuleCanHave() throws IOException {
        GenerationFolder marks = new GenerationFolder(folder.resolve("high"));
        assertEquals(1_790_000_000_000_000_000L, marks.raise(SESSION, 1_790_000_000_000_000_000L));
        assertEquals(1_790_000_000_000_000_001L, marks.next(SESSION));
        assertEquals(Long.MAX_VALUE, marks.raise(SESSION, Long.MAX_VALUE));
        assertEquals(Long.MAX_VALUE, marks.highest(SESSION));
    }

    @Test
    void aNumberThatIsIssuedDoesNotRaiseTheMark() throws IOException {
        GenerationFolder marks = new GenerationFolder(folder.resolve("marks"));
        assertEquals(1, marks.next(SESSION));
        assertEquals(2, marks.next(SESSION));
        assertEquals(0, marks.highest(SESSION));
        marks.raise(SESSION, 2);
        marks.raise(SESSION, 1);
        assertEquals(2, marks.highest(SESSION));
        assertEquals(3, marks.next(SESSION));
        assertEquals(2, marks.highest(SESSION));
        marks.raise(SESSION, 7);
        assertEquals(8, marks.next(SESSION));
        marks.raise(SESSION, Long.MAX_VALUE / 10);
        assertEquals(Long.MAX_VALUE / 10 + 1, marks.next(SESSION));
    }

    @Test
    void namesAreFixedAndKeepTheirPartsApart() {
        // printf '4:acme3:ann' | sha256sum | cut -c1-40
        assertEquals("ca8ee379f9d71bf4b16b3453275a853c9e6ac0ab", DigestName.of("acme", "ann"));
        assertNotEquals(DigestName.of("ab", "c"), DigestName.of("a", "bc"));
    }
}
