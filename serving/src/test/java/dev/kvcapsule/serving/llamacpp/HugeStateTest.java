package dev.kvcapsule.serving.llamacpp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.CacheImage;
import dev.kvcapsule.serving.CacheTarget;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.Rewrite;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Offsets beyond 4 GiB, on a file that occupies a few pages. */
class HugeStateTest {
    private static final int CELLS = 70_000;
    private static final long ROW = 65_536;

    @Test
    void tensorsOfMoreThanFourGibibytesAreSlices(@TempDir Path folder) throws IOException {
        Path path = folder.resolve("huge.ggsq");
        long structure = 12 + 8 + 12L * CELLS + 8 + 2 * 12;
        long size = structure + 2 * ROW * CELLS;
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.SPARSE, StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            MemorySegment file = channel.map(FileChannel.MapMode.READ_WRITE, 0, size, arena);
            long value = write(file);
            KvCache cache = CacheFormats.read(file, ModelFacts.UNKNOWN);
            assertEquals(2 * ROW * CELLS, cache.layout().tensorBytes());
            assertTrue(cache.layout().tensorBytes() > 2L << 32);
            assertEquals(42, cache.tensor(0, 0, Part.VALUE).get(ValueLayout.JAVA_BYTE, ROW * CELLS - 1));
            assertEquals(value + 12, cache.tensor(0, 0, Part.VALUE).address() - file.address());
            CacheImage image = new GgsqFormat().plan(cache.layout(), Rewrite.blobs(cache), CacheTarget.SAME);
            assertEquals(size, image.bytes());

            MemorySegment cut = file.asSlice(0, size - 1);
            MalformedDataException short1 = assertThrows(MalformedDataException.class, () -> CacheFormats.read(cut, ModelFacts.UNKNOWN));
            assertTrue(short1.getMessage().startsWith("offset " + (value + 12) + ", V of layer 0: "), short1.getMessage());
        }
    }

    /** @return where the description of V begins */
    private static long write(MemorySegment file) {
        int[] head = {0x67677371, 3, 0, 1, CELLS};
        MemorySegment.copy(head, 0, file, Input.I32, 0, head.length);
        long at = 4L * head.length;
        for (int i = 0; i < CELLS; i++) {
            file.set(Input.I32, at, i);
            file.set(Input.I32, at + 4, 1);
            at += 12;
        }
        file.set(Input.I32, at + 4, 1);
        at += 8;
        file.set(Input.I32, at, 1);
        file.set(Input.I64, at + 4, ROW);
        at += 12 + ROW * CELLS;
        file.set(Input.I32, at, 1);
        file.set(Input.I64, at + 4, ROW);
        file.set(ValueLayout.JAVA_BYTE, file.byteSize() - 1, (byte) 42);
        return at;
    }
}
