package dev.kvcapsule.cuda;

import dev.kvcapsule.cuda.GpuCheck.Line;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.memory.Scratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** Rows into pages and out of them, through {@link DeviceCache}. */
final class GpuPages {
    private static final int BLOCK_TOKENS = 16;
    private static final byte BETWEEN = 9;

    private final CudaKernels cuda;
    private final DeviceMemory memory;
    private final int tokens;
    private final int rounds;
    private final Consumer<Line> lines;
    private final int[] blocks;

    GpuPages(CudaKernels cuda, int tokens, int rounds, Consumer<Line> lines) {
        this.cuda = cuda;
        this.memory = new DeviceMemory(cuda.device());
        this.tokens = tokens;
        this.rounds = rounds;
        this.lines = lines;
        this.blocks = new int[Math.ceilDiv(tokens, BLOCK_TOKENS)];
        // Every second block, from the last one back.
        Arrays.setAll(blocks, block -> 2 * (blocks.length - 1 - block) + 1);
    }

    void run() {
        int heads = GpuKernels.CHANNELS / GpuKernels.HEAD;
        LayerLayout wide = new LayerLayout(0, heads, GpuKernels.HEAD, GpuKernels.HEAD, DType.F16, DType.F16, Optional.empty(), 0);
        LayerLayout bytes = new LayerLayout(1, heads, GpuKernels.HEAD, 0, DType.F8_E4M3, DType.F8_E4M3, Optional.empty(), 0);
        SubCache sub = new SubCache("kv", Positions.sequential(tokens), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, List.of(wide, bytes));
        CacheLayout layout = new CacheLayout(tokens, List.of(sub), List.of(), Map.of());
        // The pages stay until the cache has ended.
        try (Arena owner = Arena.ofShared(); DeviceCache cache = new DeviceCache(cuda, layout)) {
            cache.setPages(0, new PageTable(BLOCK_TOKENS, blocks));
            // As what lies between two tokens allows: 16 bytes at once, 2, or 1.
            tensor(owner, cache, 0, Part.KEY, wide.rowBytes(Part.KEY), 16, "pages, 16 bytes at once");
            tensor(owner, cache, 0, Part.VALUE, wide.rowBytes(Part.VALUE), 2, "pages, 2 bytes at once");
            tensor(owner, cache, 1, Part.KEY, bytes.rowBytes(Part.KEY), 1, "pages, byte by byte");
        }
    }

    private void tensor(Arena owner, DeviceCache cache, int layer, Part part, long rowBytes, long gap, String what) {
        long tokenBytes = rowBytes + gap;
        long blockBytes = BLOCK_TOKENS * tokenBytes;
        try (Arena arena = Arena.ofShared(); Scratch scratch = new Scratch(memory)) {
            MemorySegment rows = arena.allocate(tokens * rowBytes, 64);
            SplittableRandom random = new SplittableRandom(5);
            for (long i = 0; i < rows.byteSize(); i++) {
                rows.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
            }
            MemorySegment expected = arena.allocate(2 * blocks.length * blockBytes, 64).fill(BETWEEN);
            for (int token = 0; token < tokens; token++) {
                MemorySegment.copy(rows, token * rowBytes, expected, blocks[token / BLOCK_TOKENS] * blockBytes + token % BLOCK_TOKENS * tokenBytes, rowBytes);
            }
            MemorySegment pages = cuda.context().allocate(owner, expected.byteSize());
            memory.fill(pages, BETWEEN);
            cache.put(0, layer, part, new PagedTensor(pages.address(), pages.byteSize(), blockBytes, tokenBytes));
            cache.write(0, layer, part, 0, rows);
            boolean scattered = fetched(arena, pages).mismatch(expected) < 0;
            MemorySegment there = memory.allocate(arena, rows.byteSize());
            memory.copy(rows, 0, there, 0, rows.byteSize());
            CudaStream stream = cuda.device().lane().stream();
            double moved = 2.0 * rows.byteSize() / 1e9;
            lines.accept(new Line("rows to " + what, scattered, moved / GpuSpeed.seconds(stream, rounds, () -> cache.write(0, layer, part, 0, there)), ""));
            Tile tile = new Tile(0, 2 * layer + part.ordinal(), 1, 0, tokens, Region.BODY, false);
            boolean gathered = fetched(arena, cache.read(tile, scratch).getFirst().rows()).mismatch(rows) < 0;
            lines.accept(new Line("rows from " + what, gathered, moved / GpuSpeed.seconds(stream, rounds, () -> cache.read(tile, scratch)), ""));
        }
    }

    private MemorySegment fetched(Arena arena, MemorySegment segment) {
        MemorySegment copy = arena.allocate(segment.byteSize(), 64);
        memory.copy(segment, 0, copy, 0, segment.byteSize());
        return copy;
    }
}
