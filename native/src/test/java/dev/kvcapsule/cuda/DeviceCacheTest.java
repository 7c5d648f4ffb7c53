package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Caches that are in the device's memory already. */
class DeviceCacheTest {
    private static final int BLOCK_TOKENS = 16;
    private static final PipelineOptions SCALAR = Capsules.options(2, Kernels.scalar());

    private final Arena arena = Arena.ofShared();
    private CudaKernels cuda;
    private PipelineOptions options;
    private KvCache cache;
    private int[] blocks;

    @BeforeEach
    void open() throws IOException {
        cuda = StandIn.open();
        options = Capsules.options(3, cuda.kernels(Kernels.scalar()));
        cache = RealCaches.smollm2(3, arena);
        // Every second block, from the last one back.
        blocks = new int[Math.ceilDiv(cells(), BLOCK_TOKENS)];
        Arrays.setAll(blocks, b -> 2 * (blocks.length - 1 - b) + 1);
    }

    @AfterEach
    void close() {
        arena.close();
        if (cuda != null) {
            cuda.close();
            assertEquals(0, StandIn.alive());
        }
    }

    private int cells() {
        return cache.layout().subCaches().getFirst().cells();
    }

    private DeviceCache device(CacheLayout layout, boolean paged) {
        DeviceCache there = new DeviceCache(cuda, layout);
        if (paged) {
            there.setPages(0, new PageTable(BLOCK_TOKENS, blocks));
        }
        SubCache sub = layout.subCaches().getFirst();
        for (int layer = 0; layer < sub.layers().size(); layer++) {
            for (Part part : Part.values()) {
                long rowBytes = sub.layers().get(layer).rowBytes(part);
                if (paged) {
                    // Room for other layers' rows between two tokens.
                    long tokenBytes = rowBytes + 16;
                    long bytes = 2L * blocks.length * BLOCK_TOKENS * tokenBytes;
                    long address = cuda.context().allocate(arena, bytes).address();
                    there.put(0, layer, part, new PagedTensor(address, bytes, BLOCK_TOKENS * tokenBytes, tokenBytes));
                } else {
                    there.put(0, layer, part, cuda.context().allocate(arena, rowBytes * sub.cells()));
                }
            }
        }
        for (int blob = 0; blob < layout.blobs().size(); blob++) {
            there.addBlob(cache.blob(blob));
        }
        return there;
    }

    private DeviceCache filled(boolean paged) {
        DeviceCache there = device(cache.layout(), paged);
        SubCache sub = cache.layout().subCaches().getFirst();
        for (int layer = 0; layer < sub.layers().size(); layer++) {
            for (Part part : Part.values()) {
                MemorySegment tensor = cache.tensor(0, layer, part);
                there.write(0, layer, part, 0, tensor);
            }
        }
        there.synchronize();
        return there;
    }

    private KvCache fetched(DeviceCache there) {
        KvCache copy = Capsules.empty(there.layout(), arena);
        SubCache sub = there.layout().subCaches().getFirst();
        DeviceMemory memory = new DeviceMemory(cuda.device());
        try (Scratch scratch = new Scratch(memory)) {
            for (int number = 0; number < 2 * sub.layers().size(); number++) {
                Tile tile = new Tile(0, number, 1, 0, sub.cells(), Region.BODY, false);
                for (TileTensor tensor : there.read(tile, scratch)) {
                    memory.copy(tensor.rows(), 0, copy.tensor(0, number / 2, tensor.part()), 0, tensor.rows().byteSize());
                }
            }
        }
        return copy;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aCacheOnTheDeviceGivesTheCapsuleOfItsCopyAndComesBack(boolean paged) throws IOException {
        for (String codec : new String[] {"kivi:bits=4,entropy=off,residual=40", "rotated:bits=4", "lossless"}) {
            try (DeviceCache from = filled(paged)) {
                byte[] expected = Capsules.encode(cache, codec, SCALAR);
                assertArrayEquals(expected, Capsules.encode(from, codec, options), codec);
                KvCache restored = Capsules.decode(expected, arena, SCALAR);
                try (DeviceCache to = device(cache.layout(), paged)) {
                    new CapsuleDecoder(Capsules.reader(expected, arena)).decode(to, options);
                    to.synchronize();
                    assertNull(Capsules.difference(restored, fetched(to)), codec);
                    to.discard();
                    assertNull(Capsules.difference(Capsules.empty(cache.layout(), arena), fetched(to)), "what was discarded is still there");
                }
            }
        }
    }

    @Test
    void whatCannotBeOnADeviceIsRefused() throws IOException {
        try (DeviceCache there = filled(false)) {
            assertThrows(IllegalArgumentException.class, () -> Capsules.encode(there, "klt:basis=none,group=1", options));
            assertThrows(IllegalArgumentException.class, () -> Capsules.encode(there, "kivi", SCALAR));
            byte[] capsule = Capsules.encode(cache, "kivi", SCALAR);
            assertThrows(IllegalArgumentException.class, () -> new CapsuleDecoder(Capsules.reader(capsule, arena)).decode(there, SCALAR));
            assertThrows(IllegalArgumentException.class, () -> there.put(0, 0, Part.KEY, arena.allocate(10)));
            assertThrows(IllegalArgumentException.class, () -> there.setPages(0, new PageTable(BLOCK_TOKENS, new int[1])));
            assertThrows(IllegalArgumentException.class, () -> there.put(0, 0, Part.KEY, new PagedTensor(4096, 100, 10, 10)));
            there.setPages(0, new PageTable(BLOCK_TOKENS, blocks));
            assertThrows(IllegalArgumentException.class, () -> there.put(0, 0, Part.KEY, new PagedTensor(4096, 100, 10, 10)));
            assertThrows(IllegalArgumentException.class, () -> new PageTable(0, new int[1]));
            assertThrows(IllegalArgumentException.class, () -> new PageTable(16, new int[] {-1}));
        }
        try (DeviceCache nothing = new DeviceCache(cuda, cache.layout())) {
            assertThrows(IllegalStateException.class, () -> nothing.inPlace(0, 0, Part.KEY));
        }
    }
}
