package dev.kvcapsule.codecs.capsule;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.calibration.AttentionWeights;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/** Made-up caches of every structure. */
public final class TestCaches {
    private static final Rope ROPE = Rope.of(Rope.Pairing.HALF_SPLIT, 10_000, 16);

    private TestCaches() {}

    private static final double[] SCALES = java.util.stream.IntStream.range(0, 16).mapToDouble(i -> Math.exp(Math.sin(i * 0.7))).toArray();
    private static final double[] DRIFT = java.util.stream.IntStream.range(0, 628).mapToDouble(i -> Math.cos(i * 0.01)).toArray();

    /** What a channel of a token holds. */
    public interface Fill {
        float at(int layer, Part part, int token, int channel);
    }

    /** Channels of different sizes with a slow drift, as caches have them. */
    public static float ordinary(int layer, Part part, int token, int channel) {
        double scale = SCALES[(channel + 3 * layer) % SCALES.length];
        return (float) (scale * (noise(((long) layer * 2 + part.ordinal()) * 4099 + token, channel) + DRIFT[(token + 13 * channel) % DRIFT.length]));
    }

    /** Sum of four uniform numbers from a hash: close enough to normal, and quick. */
    private static double noise(long row, int channel) {
        long z = (row * 8191 + channel) * 0x9E3779B97F4A7C15L;
        z = (z ^ z >>> 32) * 0xD6E8FEB86659FD93L;
        z ^= z >>> 32;
        return ((z & 0xffff) + (z >>> 16 & 0xffff) + (z >>> 32 & 0xffff) + (z >>> 48)) / 37837.0 - 3.464;
    }

    public static LayerLayout layer(int number, int heads, int keyDim, int valueDim, DType key, DType value) {
        return new LayerLayout(number, heads, keyDim, valueDim, key, value, keyDim >= ROPE.dims() ? Optional.of(ROPE) : Optional.empty(), 0);
    }

    public static List<LayerLayout> layers(int count, int heads, int keyDim, int valueDim, DType type) {
        List<LayerLayout> layers = new ArrayList<>();
        for (int l = 0; l < count; l++) {
            layers.add(layer(l, heads, keyDim, valueDim, type, type));
        }
        return layers;
    }

    public static SubCache dense(int tokens, List<LayerLayout> layers) {
        return new SubCache("kv", Positions.sequential(tokens), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, layers);
    }

    public static CacheLayout layout(int tokens, SubCache... subs) {
        return new CacheLayout(tokens, List.of(subs), List.of(new CacheLayout.Blob("words", 21), new CacheLayout.Blob("nothing", 0)), Map.of("format", "test"));
    }

    /** A cache of a few kilobytes with two sub-caches, the second one wrapped around, a layer without V and blobs. */
    public static KvCache small(Arena arena) {
        LayerLayout latent = layer(1, 1, 20, 0, DType.F16, DType.F16);
        SubCache global = dense(12, List.of(layer(0, 2, 16, 8, DType.F16, DType.F16), latent));
        SubCache local = new SubCache("swa", Positions.of(new int[] {10, 11, 7, 8, 9}), TensorOrder.TOKEN_MAJOR, TensorOrder.CHANNEL_MAJOR,
                List.of(layer(2, 2, 8, 8, DType.F16, DType.F16)));
        return filled(arena, layout(12, global, local), TestCaches::ordinary);
    }

    public static KvCache filled(Arena arena, CacheLayout layout, Fill fill) {
        KvCache cache = empty(arena, layout);
        for (int s = 0; s < layout.subCaches().size(); s++) {
            SubCache sub = layout.subCaches().get(s);
            for (int l = 0; l < sub.layers().size(); l++) {
                for (Part part : Part.values()) {
                    if (sub.layers().get(l).has(part)) {
                        write(cache, s, l, part, fill);
                    }
                }
            }
        }
        for (int b = 0; b < layout.blobs().size(); b++) {
            for (long i = 0; i < cache.blob(b).byteSize(); i++) {
                cache.blob(b).set(ValueLayout.JAVA_BYTE, i, (byte) (i * 7 + b));
            }
        }
        return cache;
    }

    /** Some layers of SmolLM2-135M-Instruct on the first tokens of Python source: real numbers, keys with RoPE. */
    public static KvCache real(Arena arena, int tokens, int... layers) {
        Rope rope = Rope.of(Rope.Pairing.INTERLEAVED, 100_000, 64);
        List<LayerLayout> layouts = Arrays.stream(layers).mapToObj(l -> new LayerLayout(l, 3, 64, 64, DType.F16, DType.F16, Optional.of(rope), 0)).toList();
        KvCache.Builder builder = new KvCache.Builder(new CacheLayout(tokens, List.of(dense(tokens, layouts)), List.of(), Map.of()));
        for (int layer : layers) {
            for (Part part : Part.values()) {
                // A tensor of the state is 12 bytes of header and 512 rows of 384 bytes; all K come before all V.
                long at = Sample.STATE.byteSize() - (60L - 30 * part.ordinal() - layer) * (12 + 512 * 384) + 12;
                builder.add(0, part, arena.allocate(384L * tokens).copyFrom(Sample.STATE.asSlice(at, 384L * tokens)));
            }
        }
        return builder.build();
    }

    private static final class Sample {
        static final MemorySegment STATE = load();

        private static MemorySegment load() {
            try (InputStream in = Samples.smollm2Code512()) {
                return MemorySegment.ofArray(in.readAllBytes());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /** Zeros throughout. */
    public static KvCache empty(Arena arena, CacheLayout layout) {
        KvCache.Builder builder = new KvCache.Builder(layout);
        for (int s = 0; s < layout.subCaches().size(); s++) {
            SubCache sub = layout.subCaches().get(s);
            for (LayerLayout layer : sub.layers()) {
                for (Part part : Part.values()) {
                    // One byte off an even address, since a slice of a file may lie anywhere.
                    builder.add(s, part, arena.allocate(layer.rowBytes(part) * sub.cells() + 1, 8).asSlice(1));
                }
            }
        }
        layout.blobs().forEach(blob -> builder.addBlob(arena.allocate(blob.bytes())));
        return builder.build();
    }

    private static void write(KvCache cache, int s, int l, Part part, Fill fill) {
        SubCache sub = cache.layout().subCaches().get(s);
        LayerLayout layer = sub.layers().get(l);
        int width = layer.width(part);
        int[] order = sub.positions().tokenOrder();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment floats = scratch.allocate(ValueLayout.JAVA_FLOAT, width);
            MemorySegment row = scratch.allocate(layer.rowBytes(part));
            for (int t = 0; t < sub.cells(); t++) {
                for (int c = 0; c < width; c++) {
                    floats.setAtIndex(ValueLayout.JAVA_FLOAT, c, fill.at(layer.layer(), part, t, c));
                }
                RowFloats.fromF32(Kernels.scalar(), layer.type(part), floats, width, row);
                place(row, cache.tensor(s, l, part), sub, layer, part, order == null ? t : order[t], true);
            }
        }
    }

    /** Attention that falls with age and differs from token to token, paid to the first three quarters. */
    public static TokenAttention attention(CacheLayout layout) {
        float[][] byLayer = new float[layout.subCaches().stream().flatMap(sub -> sub.layers().stream()).mapToInt(layer -> layer.layer() + 1).max().orElse(0)][];
        for (int layer = 0; layer < byLayer.length; layer++) {
            byLayer[layer] = new float[(int) (layout.tokens() * 3 / 4)];
            for (int position = 0; position < byLayer[layer].length; position++) {
                byLayer[layer][position] = (1 + (position * 7 + layer) % 13) / (100f + byLayer[layer].length - position);
            }
        }
        return new TokenAttention(byLayer);
    }

    /** Made-up moments and sensitivities for every layer. */
    public static AttentionWeights weights(CacheLayout layout, long seed) {
        Random random = new Random(seed);
        int count = 1 + layout.subCaches().stream().flatMap(sub -> sub.layers().stream()).mapToInt(LayerLayout::layer).max().orElse(0);
        double[][][] keys = new double[count][0][];
        double[][][] values = new double[count][0][];
        double[] sensitivity = new double[count];
        for (SubCache sub : layout.subCaches()) {
            for (LayerLayout layer : sub.layers()) {
                keys[layer.layer()] = moments(layer.kvHeads(), layer.keyHeadDim(), random);
                values[layer.layer()] = moments(layer.has(Part.VALUE) ? layer.kvHeads() : 0, layer.valueHeadDim(), random);
                sensitivity[layer.layer()] = 0.5 + random.nextDouble();
            }
        }
        return new AttentionWeights(Optional.of(keys), Optional.of(values), Optional.of(sensitivity), Optional.of(sensitivity.clone()));
    }

    private static double[][] moments(int heads, int dim, Random random) {
        double[][] moments = new double[heads][dim * dim];
        for (double[] matrix : moments) {
            for (int vector = 0; vector < 2 * dim; vector++) {
                double[] v = random.doubles(dim, -1, 1).toArray();
                for (int i = 0; i < dim * dim; i++) {
                    matrix[i] += v[i / dim] * v[i % dim] / (1 + i / dim) / (1 + i % dim);
                }
            }
        }
        return moments;
    }

    /** A token's row in the tensor's type, wherever the cache keeps its pieces. */
    static byte[] row(KvCache cache, int s, int l, Part part, int token) {
        SubCache sub = cache.layout().subCaches().get(s);
        LayerLayout layer = sub.layers().get(l);
        int[] order = sub.positions().tokenOrder();
        MemorySegment row = MemorySegment.ofArray(new byte[(int) layer.rowBytes(part)]);
        place(row, cache.tensor(s, l, part), sub, layer, part, order == null ? token : order[token], false);
        return row.toArray(ValueLayout.JAVA_BYTE);
    }

    private static void place(MemorySegment row, MemorySegment tensor, SubCache sub, LayerLayout layer, Part part, long cell, boolean store) {
        int pieces = switch (sub.order(part)) {
            case TOKEN_MAJOR -> 1;
            case HEAD_MAJOR -> layer.kvHeads();
            case CHANNEL_MAJOR -> layer.width(part);
        };
        long bytes = row.byteSize() / pieces;
        for (int p = 0; p < pieces; p++) {
            long home = (p * (long) sub.cells() + cell) * bytes;
            if (store) {
                MemorySegment.copy(row, p * bytes, tensor, home, bytes);
            } else {
                MemorySegment.copy(tensor, home, row, p * bytes, bytes);
            }
        }
    }

    /** Every byte of every tensor and blob, for comparing caches of one layout. */
    public static byte[] bytes(KvCache cache) {
        int total = Math.toIntExact(cache.layout().tensorBytes() + cache.layout().blobBytes());
        byte[] all = new byte[total];
        MemorySegment out = MemorySegment.ofArray(all);
        long at = 0;
        for (int s = 0; s < cache.layout().subCaches().size(); s++) {
            for (int l = 0; l < cache.layout().subCaches().get(s).layers().size(); l++) {
                for (Part part : Part.values()) {
                    MemorySegment tensor = cache.tensor(s, l, part);
                    MemorySegment.copy(tensor, 0, out, at, tensor.byteSize());
                    at += tensor.byteSize();
                }
            }
        }
        for (int b = 0; b < cache.layout().blobs().size(); b++) {
            MemorySegment.copy(cache.blob(b), 0, out, at, cache.blob(b).byteSize());
            at += cache.blob(b).byteSize();
        }
        return at == total ? all : Arrays.copyOf(all, (int) at);
    }
}
