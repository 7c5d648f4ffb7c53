package dev.kvcapsule.serving.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.CacheImage;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CacheFileSinkTest {
    @TempDir
    private Path folder;

    /** A file whose blobs come first, and whose tensors lie in each other's way: it fails when the blobs are written. */
    private static final class Overlapping implements CacheImage {
        @Override
        public long bytes() {
            return 8192;
        }

        @Override
        public KvCache write(MemorySegment out) {
            out.asSlice(0, 4096).fill((byte) 's');
            LayerLayout layer = new LayerLayout(0, 1, 8, 8, DType.F16, DType.F16, Optional.empty(), 0);
            SubCache sub = new SubCache("kv", Positions.sequential(4), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, List.of(layer));
            return new KvCache.Builder(new CacheLayout(4, List.of(sub), List.of(), Map.of())).add(0, Part.KEY, out.asSlice(4096, 64)).add(0, Part.VALUE, out.asSlice(4112, 64))
                    .build();
        }
    }

    @Test
    void whatWasWrittenIsZeroedWhenItCannotBeMade() throws IOException {
        Path file = folder.resolve("state");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            assertThrows(IndexOutOfBoundsException.class, () -> CacheFileSink.create(new Overlapping(), channel));
        }
        assertArrayEquals(new byte[8192], Files.readAllBytes(file));
    }
}
