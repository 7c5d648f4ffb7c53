package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.cuda.driver.CudaDriver;
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
        return fill(device(cache.layout(), paged));
    }

    private DeviceCache fill(DeviceCache there) {
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

    /** A cache in a pool that somebody else has allocated, tensor behind tensor. */
    private DeviceCache inPool(long pool, int layers) {
        DeviceCache there = new DeviceCache(cuda, cache.layout());
        long at = pool;
        for (int layer = 0; layer < layers; layer++) {
            for (Part part : Part.values()) {
                there.put(0, layer, part, at);
                at += cache.tensor(0, layer, part).byteSize();
            }
        }
        for (int blob = 0; blob < cache.layout().blobs().size(); blob++) {
            there.addBlob(cache.blob(blob));
        }
        return there;
    }

    @Test
    void cachesThatShareMemoryEndOneByOne() throws IOException {
        long bytes = cache.layout().tensorBytes();
        // Not by the context, which would know of it anyway.
        long pool = Driver.out("cuMemAlloc", pointer -> CudaDriver.cuMemAlloc_v2(pointer, bytes));
        MemorySegment last = MemorySegment.ofAddress(pool + bytes - 1);
        assertFalse(cuda.context().isDevice(last));
        DeviceCache first = inPool(pool, 1);
        DeviceCache second = fill(inPool(pool, 3));
        DeviceCache third = inPool(pool, 2);
        first.close();
        byte[] expected = Capsules.encode(cache, "kivi:bits=4,residual=0", SCALAR);
        assertTrue(cuda.context().isDevice(MemorySegment.ofAddress(pool)), "the first cache took the second one's memory with it");
        assertArrayEquals(expected, Capsules.encode(second, "kivi:bits=4,residual=0", options));
        third.close();
        assertArrayEquals(expected, Capsules.encode(second, "kivi:bits=4,residual=0", options));
        // One address, more bytes: the tensor is as long as was said last.
        try (DeviceCache again = new DeviceCache(cuda, cache.layout()); Arena whole = Arena.ofShared()) {
            again.setPages(0, new PageTable(BLOCK_TOKENS, new int[blocks.length]));
            long rowBytes = cache.layout().subCaches().getFirst().layers().getFirst().rowBytes(Part.KEY);
            again.put(0, 0, Part.KEY, new PagedTensor(pool, BLOCK_TOKENS * rowBytes, BLOCK_TOKENS * rowBytes, rowBytes));
            again.put(0, 0, Part.KEY, pool);
            assertEquals(cache.tensor(0, 0, Part.KEY).byteSize(), again.inPlace(0, 0, Part.KEY).byteSize());
            assertTrue(cuda.context().isDevice(cuda.context().adopt(whole, pool, bytes).asSlice(bytes - 1)));
        }
        second.close();
        assertFalse(cuda.context().isDevice(MemorySegment.ofAddress(pool)) || cuda.context().isDevice(last));
        cuda.context().enter();
        Driver.check(CudaDriver.cuMemFree_v2(pool), "cuMemFree");
    }

    @Test
    void anotherPageTableMustFitTheTensorsThatAreThere() {
        try (DeviceCache there = filled(true)) {
            KvCache before = fetched(there);
            int[] beyond = blocks.clone();
            beyond[beyond.length - 1] = 2 * blocks.length;
            assertThrows(IllegalArgumentException.class, () -> there.setPages(0, new PageTable(BLOCK_TOKENS, beyond)));
            beyond[beyond.length - 1] = Integer.MAX_VALUE;
            assertThrows(IllegalArgumentException.class, () -> there.setPages(0, new PageTable(BLOCK_TOKENS, beyond)));
            assertThrows(IllegalArgumentException.class, () -> there.setPages(0, new PageTable(2 * BLOCK_TOKENS, blocks)));
            assertNull(Capsules.difference(before, fetched(there)), "a table that was refused is in use");
            // The last block, and others in another order, are within.
            int[] others = new int[blocks.length];
            Arrays.setAll(others, b -> 2 * blocks.length - 1 - b);
            there.setPages(0, new PageTable(BLOCK_TOKENS, others));
            fill(there);
            assertNull(Capsules.difference(cache, fetched(there)));
        }
        PagedTensor most = new PagedTensor(4096, Long.MAX_VALUE, Long.MAX_VALUE / 2, Long.MAX_VALUE / 2);
        assertFalse(new PageTable(BLOCK_TOKENS, new int[1]).fits(most, BLOCK_TOKENS, 1));
    }

    @Test
    void whatIsDiscardedIsNotOvertakenByWritesUnderWay() throws InterruptedException {
        try (DeviceCache there = filled(false); Arena other = Arena.ofShared()) {
            MemorySegment source = cuda.context().allocate(other, cache.tensor(0, 0, Part.KEY).byteSize());
            Thread writer = Thread.ofPlatform().start(() -> {
                new DeviceMemory(cuda.device()).fill(source, (byte) 7);
                for (int i = 0; i < 3000; i++) {
                    there.write(0, 0, Part.KEY, 0, source);
                }
            });
            // It has asked for everything, which its stream has still to do.
            writer.join();
            there.discard();
            assertNull(Capsules.difference(Capsules.empty(cache.layout(), arena), fetched(there)));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatCannotBeDiscardedDoesNotKeepTheRest(boolean paged) {
        try (DeviceCache there = filled(paged)) {
            StandIn.fail("cuMemsetD8Async", 0, 719);
            assertThrows(CudaException.class, there::discard);
            StandIn.fail("", 0, 0);
            KvCache left = fetched(there);
            int kept = 0;
            for (int layer = 0; layer < 3; layer++) {
                for (Part part : Part.values()) {
                    MemorySegment tensor = left.tensor(0, layer, part);
                    kept += tensor.mismatch(arena.allocate(tensor.byteSize())) < 0 ? 0 : 1;
                }
            }
            assertEquals(1, kept);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {3 << 20, 1 << 20, 200_000, 0})
    void inPagesWithLittleMemoryTheResultIsTheSame(long bytes) throws IOException {
        try (DeviceCache from = filled(true); DeviceCache to = device(cache.layout(), true)) {
            long[] memory = cuda.context().memoryBytes();
            StandIn.memory(memory[1] - memory[0] + bytes);
            for (String codec : new String[] {"kivi:bits=4,residual=40", "rotated:bits=4", "lossless"}) {
                byte[] expected = Capsules.encode(cache, codec, SCALAR);
                assertArrayEquals(expected, Capsules.encode(from, codec, options), codec);
                new CapsuleDecoder(Capsules.reader(expected, arena)).decode(to, options);
                to.synchronize();
                assertNull(Capsules.difference(Capsules.decode(expected, arena, SCALAR), fetched(to)), codec);
                to.discard();
                assertNull(Capsules.difference(Capsules.empty(cache.layout(), arena), fetched(to)), "what was discarded is still there");
            }
        } finally {
            StandIn.memory(1L << 30);
        }
    }

    @Test
    void whatLiesBetweenRowsStaysWhenTheyAreDiscarded() {
        SubCache sub = cache.layout().subCaches().getFirst();
        long rowBytes = sub.layers().getFirst().rowBytes(Part.KEY);
        for (long gap : new long[] {0, 16}) {
            long tokenBytes = rowBytes + gap;
            long blockBytes = BLOCK_TOKENS * tokenBytes;
            try (Arena temporary = Arena.ofShared(); DeviceCache there = new DeviceCache(cuda, cache.layout())) {
                DeviceMemory memory = new DeviceMemory(cuda.device());
                MemorySegment pages = cuda.context().allocate(temporary, 2 * blocks.length * blockBytes);
                memory.fill(pages, (byte) 9);
                there.setPages(0, new PageTable(BLOCK_TOKENS, blocks));
                there.put(0, 0, Part.KEY, new PagedTensor(pages.address(), pages.byteSize(), blockBytes, tokenBytes));
                there.discard();
                MemorySegment back = temporary.allocate(pages.byteSize());
                memory.copy(pages, 0, back, 0, pages.byteSize());
                MemorySegment expected = temporary.allocate(pages.byteSize()).fill((byte) 9);
                for (int token = 0; token < sub.cells(); token++) {
                    expected.asSlice(blocks[token / BLOCK_TOKENS] * blockBytes + token % BLOCK_TOKENS * tokenBytes, rowBytes).fill((byte) 0);
                }
                assertEquals(-1, back.mismatch(expected), "gaps of " + gap);
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
