package dev.kvcapsule.engine.cache;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.compare.CacheComparison;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KvCacheTest {
    private static final LayerLayout LAYER = new LayerLayout(0, 1, 4, 2, DType.F16, DType.F16, Optional.empty(), 0);
    private static final LayerLayout LATENT = new LayerLayout(1, 1, 4, 0, DType.F16, DType.F16, Optional.empty(), 0);

    private static CacheLayout layout(int cells, long blobBytes) {
        SubCache sub = new SubCache("kv", Positions.sequential(cells), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, List.of(LAYER, LATENT));
        return new CacheLayout(cells, List.of(sub), List.of(new CacheLayout.Blob("words", blobBytes)), Map.of());
    }

    private static KvCache cache(Arena arena, int cells) {
        return new KvCache.Builder(layout(cells, 5)).add(0, Part.KEY, arena.allocate(8L * cells)).add(0, Part.VALUE, arena.allocate(4L * cells))
                .add(0, Part.KEY, arena.allocate(8L * cells)).add(0, Part.VALUE, MemorySegment.NULL).addBlob(arena.allocate(5)).build();
    }

    @Test
    void tensorsAndBlobsAreTheSegmentsThatWereGiven() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment key = arena.allocate(24);
            MemorySegment blob = arena.allocate(5);
            KvCache cache = new KvCache.Builder(layout(3, 5)).add(0, Part.KEY, key).add(0, Part.VALUE, arena.allocate(12)).add(0, Part.KEY, arena.allocate(24))
                    .add(0, Part.VALUE, MemorySegment.NULL).addBlob(blob).build();
            assertEquals(key.address(), cache.tensor(0, 0, Part.KEY).address());
            assertEquals(0, cache.tensor(0, 1, Part.VALUE).byteSize());
            assertEquals(blob.address(), cache.blob(0).address());
        }
    }

    @Test
    void missingHeapAndMisfittingSegmentsAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment key = arena.allocate(24);
            MemorySegment value = arena.allocate(12);
            MemorySegment blob = arena.allocate(5);
            assertThrows(IllegalArgumentException.class, () -> new KvCache.Builder(layout(3, 5)).build());
            refused("V of layer 0 has 24 bytes instead of 12", new KvCache.Builder(layout(3, 5)).add(0, Part.KEY, key).add(0, Part.VALUE, key)
                    .add(0, Part.KEY, key).add(0, Part.VALUE, MemorySegment.NULL).addBlob(blob));
            refused("K of layer 0 is not off-heap", new KvCache.Builder(layout(3, 5)).add(0, Part.KEY, MemorySegment.ofArray(new byte[24]))
                    .add(0, Part.VALUE, value).add(0, Part.KEY, key).add(0, Part.VALUE, MemorySegment.NULL).addBlob(blob));
            refused("blob words has 12 bytes instead of 5", new KvCache.Builder(layout(3, 5)).add(0, Part.KEY, key).add(0, Part.VALUE, value)
                    .add(0, Part.KEY, key).add(0, Part.VALUE, MemorySegment.NULL).addBlob(value));
            refused("0 blobs for a layout of 1", new KvCache.Builder(layout(3, 5)).add(0, Part.KEY, key).add(0, Part.VALUE, value)
                    .add(0, Part.KEY, key).add(0, Part.VALUE, MemorySegment.NULL));
        }
    }

    private static void refused(String message, KvCache.Builder builder) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, builder::build).getMessage());
    }

    @Test
    void useAfterTheArenaIsClosedThrows() {
        for (Arena arena : List.of(Arena.ofConfined(), Arena.ofShared())) {
            KvCache cache = cache(arena, 6);
            arena.close();
            assertThrows(IllegalStateException.class, () -> cache.tensor(0, 0, Part.KEY).get(ValueLayout.JAVA_SHORT, 0));
            assertThrows(IllegalStateException.class, () -> cache.blob(0).toArray(ValueLayout.JAVA_BYTE));
            for (Kernels kernels : List.of(Kernels.scalar(), Kernels.panama())) {
                assertThrows(IllegalStateException.class, () -> CacheComparison.of(cache, cache, kernels, Progress.NONE));
            }
        }
    }

    @Test
    void gatheringFromAClosedMappingThrows(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("cache");
        KvCache cache;
        try (Arena arena = Arena.ofShared()) {
            cache = mapped(file, arena, 4096, TensorOrder.CHANNEL_MAJOR);
        }
        try (Scratch scratch = new Scratch()) {
            assertThrows(IllegalStateException.class, () -> new TileInput(cache).read(new Tile(0, 0, 2, 0, 16, Region.BODY, false), scratch));
        }
    }

    @Test
    void aSparseFileOverFourGibibytesIsACacheWithoutCopies(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("cache");
        int cells = 1_200_000;
        for (TensorOrder order : List.of(TensorOrder.TOKEN_MAJOR, TensorOrder.HEAD_MAJOR, TensorOrder.CHANNEL_MAJOR)) {
            try (Arena arena = Arena.ofShared(); Scratch scratch = new Scratch()) {
                KvCache cache = mapped(file, arena, cells, order);
                long bytes = cache.layout().tensorBytes();
                assertEquals(1_200_000L * 2048 * 2, bytes);
                MemorySegment value = cache.tensor(0, 0, Part.VALUE);
                assertEquals(cells * 2048L, value.byteSize());
                // The last channel of the last token, wherever that order puts it: the last element of the file in each of them.
                value.set(ValueLayout.JAVA_SHORT_UNALIGNED, value.byteSize() - 2, (short) 0x3c00);
                Tile tile = new Tile(0, 0, 2, cells - 3, 3, Region.BODY, false);
                List<TileTensor> tensors = new TileInput(cache).read(tile, scratch);
                short[] last = tensors.get(1).rows().asSlice(2 * 2048, 2048).toArray(ValueLayout.JAVA_SHORT_UNALIGNED);
                short[] expected = new short[1024];
                expected[1023] = 0x3c00;
                assertArrayEquals(expected, last, order.label());
                assertEquals(cells - 1, tensors.get(1).positions()[2]);
            }
        }
    }

    /** One layer of 8 heads of 128 channels, f16; K first, V behind it. */
    private static KvCache mapped(Path file, Arena arena, int cells, TensorOrder valueOrder) throws IOException {
        LayerLayout layer = new LayerLayout(0, 8, 128, 128, DType.F16, DType.F16, Optional.empty(), 0);
        SubCache sub = new SubCache("kv", Positions.sequential(cells), TensorOrder.TOKEN_MAJOR, valueOrder, List.of(layer));
        CacheLayout layout = new CacheLayout(cells, List.of(sub), List.of(), Map.of());
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            long bytes = layout.tensorBytes();
            // Mapping past the end would make the JDK allocate the blocks; a byte written there leaves a hole.
            channel.write(ByteBuffer.allocate(1), bytes - 1);
            MemorySegment whole = channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
            return new KvCache.Builder(layout).add(0, Part.KEY, whole.asSlice(0, bytes / 2)).add(0, Part.VALUE, whole.asSlice(bytes / 2)).build();
        }
    }
}
