package dev.kvcapsule.engine.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.pipeline.Progress;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CacheComparisonTest {
    private static final int TOKENS = 300;

    /** What a channel of a token holds. */
    private interface Fill {
        float at(int layer, Part part, int token, int channel);
    }

    private static CacheLayout layout(int tokens, int layers, int keyDim, int valueDim) {
        List<LayerLayout> list = new ArrayList<>();
        for (int l = 0; l < layers; l++) {
            list.add(new LayerLayout(l, 2, keyDim, valueDim, DType.F32, DType.F32, Optional.empty(), 0));
        }
        return new CacheLayout(tokens, List.of(new SubCache("kv", Positions.sequential(tokens), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, list)), List.of(), Map.of());
    }

    private static KvCache cache(Arena arena, CacheLayout layout, Fill fill) {
        KvCache.Builder builder = new KvCache.Builder(layout);
        SubCache sub = layout.subCaches().getFirst();
        for (int l = 0; l < sub.layers().size(); l++) {
            for (Part part : Part.values()) {
                int width = sub.layers().get(l).width(part);
                MemorySegment tensor = width == 0 ? MemorySegment.NULL : arena.allocate(ValueLayout.JAVA_FLOAT, (long) sub.cells() * width);
                for (int t = 0; t < sub.cells(); t++) {
                    for (int c = 0; c < width; c++) {
                        tensor.setAtIndex(ValueLayout.JAVA_FLOAT, (long) t * width + c, fill.at(l, part, t, c));
                    }
                }
                builder.add(0, part, tensor);
            }
        }
        return builder.build();
    }

    private static float noise(int layer, Part part, int token, int channel) {
        return (float) new Random(((long) layer * 2 + part.ordinal()) * 1_000_003 + token * 1009L + channel).nextGaussian();
    }

    private static CacheComparison compare(KvCache a, KvCache b) {
        CacheComparison scalar = CacheComparison.of(a, b, Kernels.scalar(), Progress.NONE);
        CacheComparison panama = CacheComparison.of(a, b, Kernels.panama(), Progress.NONE);
        assertEquals(scalar.keys().relativeError(), panama.keys().relativeError());
        return panama;
    }

    @Test
    void equalCachesDifferInNothing() {
        try (Arena arena = Arena.ofConfined()) {
            KvCache a = cache(arena, layout(TOKENS, 2, 8, 6), CacheComparisonTest::noise);
            CacheComparison comparison = compare(a, cache(arena, layout(TOKENS, 2, 8, 6), CacheComparisonTest::noise));
            for (TensorDifference difference : List.of(comparison.keys(), comparison.values())) {
                assertEquals(0, difference.relativeError());
                assertEquals(Double.POSITIVE_INFINITY, difference.snr());
                assertEquals(1, difference.cosine());
                assertEquals(0, difference.worstRowError());
            }
            assertEquals(2, comparison.layers().size());
            comparison.layers().forEach(layer -> assertEquals(0, layer.attention()));
        }
    }

    @Test
    void scalingByAThousandthIsAnErrorOfAThousandth() {
        try (Arena arena = Arena.ofConfined()) {
            KvCache a = cache(arena, layout(TOKENS, 2, 8, 6), CacheComparisonTest::noise);
            KvCache b = cache(arena, layout(TOKENS, 2, 8, 6), (l, part, t, c) -> noise(l, part, t, c) * (part == Part.KEY ? 1.001f : 1));
            CacheComparison comparison = compare(a, b);
            assertEquals(1e-3, comparison.keys().relativeError(), 1e-6);
            assertEquals(60, comparison.keys().snr(), 0.01);
            assertEquals(1, comparison.keys().cosine(), 1e-9);
            assertEquals(1e-3, comparison.keys().worstRowError(), 1e-6);
            assertEquals(0, comparison.values().relativeError());
            comparison.layers().forEach(layer -> assertTrue(layer.attention() > 0 && layer.attention() < 0.01));
        }
    }

    @Test
    void theWorstTokenIsFoundWhereverItIs() {
        try (Arena arena = Arena.ofConfined()) {
            for (int worst : new int[] {0, 255, 256, 299}) {
                KvCache a = cache(arena, layout(TOKENS, 2, 4, 4), CacheComparisonTest::noise);
                KvCache b = cache(arena, layout(TOKENS, 2, 4, 4), (l, part, t, c) -> noise(l, part, t, c) * (l == 1 && part == Part.VALUE && t == worst ? -1 : 1));
                CacheComparison comparison = compare(a, b);
                assertEquals(worst, comparison.values().worstToken());
                assertEquals(2, comparison.values().worstRowError(), 1e-6);
                assertEquals(0, comparison.layers().get(0).value().relativeError());
                assertEquals(worst, comparison.layers().get(1).value().worstToken());
            }
        }
    }

    @Test
    void orthogonalTensorsHaveNoCosine() {
        try (Arena arena = Arena.ofConfined()) {
            KvCache a = cache(arena, layout(4, 1, 2, 2), (l, part, t, c) -> c % 2);
            KvCache b = cache(arena, layout(4, 1, 2, 2), (l, part, t, c) -> (c + 1) % 2);
            CacheComparison comparison = compare(a, b);
            assertEquals(0, comparison.keys().cosine());
            assertEquals(Math.sqrt(2), comparison.keys().relativeError(), 1e-12);
        }
    }

    @Test
    void valuesThatAreNotFiniteAreEqualOnlyToThemselves() {
        try (Arena arena = Arena.ofConfined()) {
            Fill infinite = (l, part, t, c) -> t == 7 ? Float.POSITIVE_INFINITY : t == 8 ? Float.NaN : noise(l, part, t, c);
            KvCache a = cache(arena, layout(20, 1, 4, 4), infinite);
            assertEquals(0, compare(a, cache(arena, layout(20, 1, 4, 4), infinite)).keys().relativeError());
            KvCache finite = cache(arena, layout(20, 1, 4, 4), CacheComparisonTest::noise);
            assertEquals(Double.POSITIVE_INFINITY, compare(a, finite).keys().relativeError());
            assertEquals(Double.POSITIVE_INFINITY, compare(finite, a).values().relativeError());
        }
    }

    @Test
    void attentionOutputsOfConstantValuesDoNotDependOnTheKeys() {
        try (Arena arena = Arena.ofConfined()) {
            KvCache a = cache(arena, layout(TOKENS, 1, 8, 4), (l, part, t, c) -> part == Part.VALUE ? 3 : noise(l, part, t, c));
            KvCache b = cache(arena, layout(TOKENS, 1, 8, 4), (l, part, t, c) -> part == Part.VALUE ? 3 : noise(5, part, t, c));
            assertEquals(0, compare(a, b).layers().getFirst().attention(), 1e-12);
            assertTrue(compare(a, b).keys().relativeError() > 1);
        }
    }

    @Test
    void anAbsentValueHasNoAttention() {
        try (Arena arena = Arena.ofConfined()) {
            KvCache a = cache(arena, layout(10, 1, 8, 0), CacheComparisonTest::noise);
            CacheComparison comparison = compare(a, a);
            assertEquals(Double.NaN, comparison.layers().getFirst().attention());
            assertEquals(0, comparison.values().relativeError());
            assertEquals(-1, comparison.values().worstToken());
        }
    }

    @Test
    void orderInMemoryAndElementTypeDoNotMatter() {
        try (Arena arena = Arena.ofConfined()) {
            LayerLayout half = new LayerLayout(0, 2, 4, 3, DType.F16, DType.F16, Optional.empty(), 0);
            SubCache sub = new SubCache("kv", Positions.of(new int[] {3, 4, 0, 1, 2}), TensorOrder.HEAD_MAJOR, TensorOrder.CHANNEL_MAJOR, List.of(half));
            CacheLayout layout = new CacheLayout(5, List.of(sub), List.of(), Map.of());
            int[] cellOfToken = {2, 3, 4, 0, 1};
            MemorySegment key = arena.allocate(ValueLayout.JAVA_SHORT, 40);
            MemorySegment value = arena.allocate(ValueLayout.JAVA_SHORT, 30);
            for (int t = 0; t < 5; t++) {
                for (int c = 0; c < 8; c++) {
                    key.setAtIndex(ValueLayout.JAVA_SHORT, (c / 4 * 5 + cellOfToken[t]) * 4L + c % 4, Float.floatToFloat16(10 * t + c));
                }
                for (int c = 0; c < 6; c++) {
                    value.setAtIndex(ValueLayout.JAVA_SHORT, c * 5L + cellOfToken[t], Float.floatToFloat16(-10 * t - c));
                }
            }
            KvCache gathered = new KvCache.Builder(layout).add(0, Part.KEY, key).add(0, Part.VALUE, value).build();
            KvCache plain = cache(arena, layout(5, 1, 4, 3), (l, part, t, c) -> part == Part.KEY ? 10 * t + c : -10 * t - c);
            CacheComparison comparison = compare(plain, gathered);
            assertEquals(0, comparison.keys().relativeError());
            assertEquals(0, comparison.values().relativeError());
        }
    }

    @Test
    void progressEndsAtTheTotal() {
        try (Arena arena = Arena.ofConfined()) {
            KvCache a = cache(arena, layout(10, 3, 4, 4), CacheComparisonTest::noise);
            List<Long> heard = new ArrayList<>();
            CacheComparison.of(a, a, Kernels.scalar(), (done, total) -> {
                assertEquals(a.layout().tensorBytes(), total);
                heard.add(done);
            });
            assertEquals(a.layout().tensorBytes(), heard.getLast());
        }
    }

    @Test
    void otherStructuresAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            KvCache a = cache(arena, layout(10, 2, 4, 4), CacheComparisonTest::noise);
            refused("one has 2 layers of 10 tokens, the other 2 of 9", a, cache(arena, layout(9, 2, 4, 4), CacheComparisonTest::noise));
            refused("one has 2 layers of 10 tokens, the other 1 of 10", a, cache(arena, layout(10, 1, 4, 4), CacheComparisonTest::noise));
            refused("K of layer 0 has 8 channels in one, 10 in the other", a, cache(arena, layout(10, 2, 5, 4), CacheComparisonTest::noise));
            refused("V of layer 0 has 8 channels in one, 0 in the other", a, cache(arena, layout(10, 2, 4, 0), CacheComparisonTest::noise));
            refused("one has 1 attention caches, the other 0", a, new KvCache.Builder(new CacheLayout(10, List.of(), List.of(), Map.of())).build());
        }
    }

    private static void refused(String message, KvCache a, KvCache b) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, () -> compare(a, b)).getMessage());
    }
}
