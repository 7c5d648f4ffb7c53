package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RopeKernel;
import dev.kvcapsule.engine.kernel.RopeTable;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A cache of 4,096 tokens made of the real one of 512: f16, 94 MB in the source and as much in the target, far more than caches hold, so that
 * memory bandwidth counts as it does in use. Copies of keys are rotated on to the positions where they stand. Repetition flatters whoever
 * looks for it: general compressors get {@link #sample}, which has none.
 */
final class Workload implements AutoCloseable {
    /** Tokens of a tile, as the codecs cut a cache of this width. */
    static final int TILE_TOKENS = 1024;

    private static final int SAMPLE_LAYERS = 30;
    private static final int FULL_REPEATS = 8;

    private final Arena arena = Arena.ofShared();
    private final int tokens;
    private final int sampleTokens;
    private final int layers;
    private final int width;
    private final int headDim;
    private final Rope rope;
    private final MemorySegment sample;
    private final MemorySegment source;
    private final MemorySegment target;
    private final KvCache sourceCache;
    private final KvCache targetCache;

    private Workload(KvCache real, int layers, int repeats) {
        SubCache sub = real.layout().subCaches().getFirst();
        LayerLayout first = sub.layers().getFirst();
        this.layers = layers;
        this.sampleTokens = sub.cells();
        this.tokens = repeats * sampleTokens;
        this.width = first.width(Part.KEY);
        this.headDim = first.headDim(Part.KEY);
        this.rope = first.rope().orElseThrow();
        this.sample = arena.allocate(sampleTensorBytes() * 2 * layers, 64);
        this.source = arena.allocate(tensorBytes() * 2 * layers, 64);
        this.target = arena.allocate(tensorBytes() * 2 * layers, 64);
        for (int t = 0; t < 2 * layers; t++) {
            MemorySegment tensor = real.tensor(0, t / 2, part(t));
            sampleTensor(t).copyFrom(tensor);
            for (int r = 0; r < repeats; r++) {
                source.asSlice(t * tensorBytes() + r * sampleTensorBytes(), sampleTensorBytes()).copyFrom(tensor);
            }
        }
        for (int r = 1; r < repeats; r++) {
            rotateOn(r);
        }
        SubCache longer = new SubCache(sub.name(), Positions.sequential(tokens), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, sub.layers().subList(0, layers));
        CacheLayout layout = new CacheLayout(tokens, List.of(longer), List.of(), Map.of());
        this.sourceCache = cache(layout, source);
        this.targetCache = cache(layout, target);
    }

    /** Everything: 4,096 tokens of 30 layers. */
    static Workload full() throws IOException {
        return load(SAMPLE_LAYERS, FULL_REPEATS);
    }

    /**
     * @param layers the first so many layers, at most 30
     * @param repeats how often the 512 tokens are repeated, even
     */
    static Workload load(int layers, int repeats) throws IOException {
        if (layers < 1 || layers > SAMPLE_LAYERS || repeats < 2 || repeats % 2 != 0) {
            throw new IllegalArgumentException(layers + " layers, " + repeats + " repeats");
        }
        try (Arena file = Arena.ofConfined(); InputStream in = Samples.smollm2Code512()) {
            MemorySegment bytes = file.allocateFrom(ValueLayout.JAVA_BYTE, in.readAllBytes());
            return new Workload(CacheFormats.read(bytes, ModelFacts.parse(Samples.SMOLLM2_FACTS)), layers, repeats);
        }
    }

    /** Turns the keys of one copy on by as many positions as lie before it. */
    private void rotateOn(int copy) {
        Kernels kernels = Kernels.scalar();
        int[] shift = new int[sampleTokens];
        Arrays.fill(shift, copy * sampleTokens);
        long values = (long) sampleTokens * width;
        try (Arena scratch = Arena.ofConfined()) {
            RopeTable table = new RopeTable(scratch, shift, rope.frequencies());
            MemorySegment floats = scratch.allocate(Float.BYTES * values, 64);
            for (int t = 0; t < 2 * layers; t += 2) {
                long at = t * tensorBytes() + copy * sampleTensorBytes();
                kernels.convert().toF32(ElementType.F16, source, at, floats, 0, values);
                kernels.rope().rotate(table, 0, floats, 0, sampleTokens, heads(), headDim(), pairing(), false);
                kernels.convert().fromF32(ElementType.F16, floats, 0, source, at, values);
            }
        }
    }

    private KvCache cache(CacheLayout layout, MemorySegment bytes) {
        KvCache.Builder builder = new KvCache.Builder(layout);
        for (int t = 0; t < 2 * layers; t++) {
            builder.add(0, part(t), bytes.asSlice(t * tensorBytes(), tensorBytes()));
        }
        return builder.build();
    }

    private static Part part(int tensor) {
        return tensor % 2 == 0 ? Part.KEY : Part.VALUE;
    }

    private long tensorBytes() {
        return (long) Short.BYTES * tokens * width;
    }

    private long sampleTensorBytes() {
        return (long) Short.BYTES * sampleTokens * width;
    }

    int tokens() {
        return tokens;
    }

    int sampleTokens() {
        return sampleTokens;
    }

    int layers() {
        return layers;
    }

    /** Channels of a row. */
    int width() {
        return width;
    }

    int headDim() {
        return headDim;
    }

    int heads() {
        return width / headDim();
    }

    Rope rope() {
        return rope;
    }

    /** How the kernels name the pairing of {@link #rope}. */
    RopeKernel.Pairing pairing() {
        return rope.pairing() == Rope.Pairing.INTERLEAVED ? RopeKernel.Pairing.INTERLEAVED : RopeKernel.Pairing.HALVES;
    }

    /** Bytes of a tile, 16-bit floats. */
    long tileBytes() {
        return (long) Short.BYTES * TILE_TOKENS * width;
    }

    /** Bytes of source and of target. */
    long bytes() {
        return source.byteSize();
    }

    /** The cache to encode. */
    KvCache sourceCache() {
        return sourceCache;
    }

    /** A cache to decode into. */
    KvCache targetCache() {
        return targetCache;
    }

    /** All of the source: K of layer 0, V of layer 0, K of layer 1, ... */
    MemorySegment source() {
        return source;
    }

    /** All of the target. */
    MemorySegment target() {
        return target;
    }

    /** The real tensors without repetition, in the same order. */
    MemorySegment sample() {
        return sample;
    }

    /** One real tensor: K of layer {@code t / 2} if {@code t} is even, else V. */
    MemorySegment sampleTensor(int t) {
        return sample.asSlice(t * sampleTensorBytes(), sampleTensorBytes());
    }

    /** The source's tiles of 1,024 tokens, in memory order. */
    List<MemorySegment> sourceTiles(List<Part> parts) {
        return tiles(source, parts);
    }

    /** The target's tiles. */
    List<MemorySegment> targetTiles(List<Part> parts) {
        return tiles(target, parts);
    }

    private List<MemorySegment> tiles(MemorySegment bytes, List<Part> parts) {
        List<MemorySegment> tiles = new ArrayList<>();
        for (int t = 0; t < 2 * layers; t++) {
            if (parts.contains(part(t))) {
                for (long at = 0; at < tensorBytes(); at += tileBytes()) {
                    tiles.add(bytes.asSlice(t * tensorBytes() + at, tileBytes()));
                }
            }
        }
        return tiles;
    }

    @Override
    public void close() {
        arena.close();
    }
}
