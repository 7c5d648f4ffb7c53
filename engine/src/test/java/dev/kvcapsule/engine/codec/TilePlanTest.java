package dev.kvcapsule.engine.codec;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.kernel.Kernels;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class TilePlanTest {
    /** A codec that only cuts. */
    private record Cutter(TileGeometry geometry) implements Codec {
        @Override
        public CodecSpec spec() {
            return CodecSpec.of("cutter");
        }

        @Override
        public boolean isLossless() {
            return false;
        }

        @Override
        public TileGeometry geometry(SubCache sub) {
            return geometry;
        }

        @Override
        public TileCoder newCoder(Kernels kernels) {
            throw new UnsupportedOperationException();
        }
    }

    private static SubCache sub(int cells, List<LayerLayout> layers) {
        return new SubCache("kv", Positions.sequential(cells), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, layers);
    }

    private static CacheLayout layout(SubCache... subs) {
        return new CacheLayout(10, List.of(subs), List.of(), Map.of());
    }

    private static LayerLayout layer(int keyDim, int valueDim) {
        return new LayerLayout(0, 1, keyDim, valueDim, DType.F16, DType.F16, Optional.empty(), 0);
    }

    @Provide
    Arbitrary<CacheLayout> layouts() {
        Arbitrary<LayerLayout> layer = Combinators.combine(Arbitraries.integers().between(1, 40), Arbitraries.integers().between(0, 40)).as(TilePlanTest::layer);
        Arbitrary<SubCache> sub = Combinators.combine(Arbitraries.integers().between(0, 300), layer.list().ofMaxSize(6)).as(TilePlanTest::sub);
        return sub.list().ofMaxSize(3).map(subs -> layout(subs.toArray(SubCache[]::new)));
    }

    @Provide
    Arbitrary<TileGeometry> geometries() {
        Arbitrary<Integer> few = Arbitraries.integers().between(0, 50);
        return Combinators.combine(few, few, Arbitraries.integers().between(1, 120), Arbitraries.of(1, 2, 7, 32, 128), Arbitraries.integers().between(1, 20_000))
                .as(TileGeometry::new);
    }

    @Property
    void tilesPartitionEveryTensorAndTokenInOrder(@ForAll("layouts") CacheLayout layout, @ForAll("geometries") TileGeometry geometry) {
        TilePlan plan = new TilePlan(new Cutter(geometry), layout);
        long bytes = 0;
        int[][][] seen = new int[layout.subCaches().size()][][];
        for (int s = 0; s < seen.length; s++) {
            seen[s] = new int[2 * layout.subCaches().get(s).layers().size()][layout.subCaches().get(s).cells()];
        }
        Tile previous = null;
        for (int t = 0; t < plan.size(); t++) {
            Tile tile = plan.get(t);
            assertTrue(tile.tokens() > 0 && tile.tensors() > 0);
            for (int tensor = tile.firstTensor(); tensor < tile.firstTensor() + tile.tensors(); tensor++) {
                for (int token = tile.firstToken(); token < tile.firstToken() + tile.tokens(); token++) {
                    seen[tile.subCache()][tensor][token]++;
                }
            }
            if (previous != null) {
                assertTrue(key(previous) < key(tile), () -> "out of order: " + tile);
            }
            previous = tile;
            bytes += TilePlan.rawBytes(layout, tile);
        }
        for (int[][] sub : seen) {
            for (int[] tensor : sub) {
                for (int count : tensor) {
                    assertEquals(1, count);
                }
            }
        }
        assertEquals(layout.tensorBytes(), bytes);
    }

    /** Sub-cache first, then tokens, then tensors. */
    private static long key(Tile tile) {
        return ((long) tile.subCache() << 40) + ((long) tile.firstToken() << 16) + tile.firstTensor();
    }

    @Property
    void sinksAndWindowsAreExactAndBodiesAreMultiples(@ForAll("layouts") CacheLayout layout, @ForAll("geometries") TileGeometry geometry) {
        TilePlan plan = new TilePlan(new Cutter(geometry), layout);
        long[] body = new long[layout.subCaches().size()];
        for (int t = 0; t < plan.size(); t++) {
            Tile tile = plan.get(t);
            int cells = layout.subCaches().get(tile.subCache()).cells();
            int end = tile.firstToken() + tile.tokens();
            if (tile.exact()) {
                assertTrue(end <= geometry.sinkTokens() || cells - tile.firstToken() < geometry.windowTokens() + geometry.bodyMultiple(), () -> "needlessly exact: " + tile);
            } else {
                assertTrue(tile.firstToken() >= geometry.sinkTokens() && end <= cells - geometry.windowTokens(), () -> "not exact: " + tile);
                body[tile.subCache()] += tile.firstTensor() == 0 ? tile.tokens() : 0;
            }
            assertTrue(tile.tokens() <= geometry.blockTokens());
        }
        for (int s = 0; s < body.length; s++) {
            SubCache sub = layout.subCaches().get(s);
            long expected = Math.max(0, sub.cells() - geometry.sinkTokens() - geometry.windowTokens());
            assertEquals(sub.layers().isEmpty() ? 0 : expected - expected % geometry.bodyMultiple(), body[s]);
        }
    }

    @Property
    void tilesShareTensorsWhileTheyFit(@ForAll("layouts") CacheLayout layout, @ForAll("geometries") TileGeometry geometry) {
        TilePlan plan = new TilePlan(new Cutter(geometry), layout);
        for (int t = 0; t < plan.size(); t++) {
            Tile tile = plan.get(t);
            List<LayerLayout> layers = layout.subCaches().get(tile.subCache()).layers();
            long present = 0;
            for (int tensor = tile.firstTensor(); tensor < tile.firstTensor() + tile.tensors(); tensor++) {
                present += layers.get(tensor / 2).has(TilePlan.part(tensor)) ? 1 : 0;
            }
            assertTrue(present <= 1 || TilePlan.rawBytes(layout, tile) <= geometry.tileBytes(), () -> "too large: " + tile);
        }
    }

    @Property
    void numberedTilesAreThoseOfANaiveList(@ForAll("layouts") CacheLayout layout, @ForAll("geometries") TileGeometry geometry) {
        TilePlan plan = new TilePlan(new Cutter(geometry), layout);
        List<Tile> naive = naive(layout, geometry);
        assertEquals(naive.size(), plan.size());
        for (int t = 0; t < naive.size(); t++) {
            assertEquals(naive.get(t), plan.get(t));
        }
        assertThrows(IndexOutOfBoundsException.class, () -> plan.get(plan.size()));
        assertThrows(IndexOutOfBoundsException.class, () -> plan.get(-1));
    }

    /** The definition, token range by token range. */
    private static List<Tile> naive(CacheLayout layout, TileGeometry geometry) {
        List<Tile> tiles = new ArrayList<>();
        for (int s = 0; s < layout.subCaches().size(); s++) {
            SubCache sub = layout.subCaches().get(s);
            int cells = sub.cells();
            int bodyStart = Math.min(cells, geometry.sinkTokens());
            int bodyEnd = Math.max(bodyStart, cells - geometry.windowTokens());
            bodyEnd -= (bodyEnd - bodyStart) % geometry.bodyMultiple();
            range(tiles, s, sub, geometry, 0, bodyStart, Region.SINK);
            range(tiles, s, sub, geometry, bodyStart, bodyEnd, Region.BODY);
            range(tiles, s, sub, geometry, bodyEnd, cells, Region.WINDOW);
        }
        return tiles;
    }

    private static void range(List<Tile> tiles, int s, SubCache sub, TileGeometry geometry, int from, int to, Region region) {
        for (int token = from; token < to; token += geometry.blockTokens()) {
            int tensors = 2 * sub.layers().size();
            int first = 0;
            while (first < tensors) {
                int next = first;
                long bytes = 0;
                while (next < tensors && (bytes == 0 || bytes + bytes(sub, next, Math.min(geometry.blockTokens(), to - from)) <= geometry.tileBytes())) {
                    bytes += bytes(sub, next++, Math.min(geometry.blockTokens(), to - from));
                }
                tiles.add(new Tile(s, first, next - first, token, Math.min(geometry.blockTokens(), to - token), region, region != Region.BODY));
                first = next;
            }
        }
    }

    private static long bytes(SubCache sub, int tensor, int tokens) {
        return sub.layers().get(tensor / 2).rowBytes(tensor % 2 == 0 ? Part.KEY : Part.VALUE) * tokens;
    }

    @Test
    void aPlanOfAMillionTokensCostsNoMoreThanOneOfTen() {
        List<LayerLayout> layers = new ArrayList<>();
        for (int l = 0; l < 100; l++) {
            layers.add(new LayerLayout(l, 8, 128, 128, DType.F16, DType.F16, Optional.empty(), 0));
        }
        TilePlan plan = new TilePlan(new Cutter(TileGeometry.plain(512)), layout(sub(Integer.MAX_VALUE, layers)));
        Tile last = plan.get(plan.size() - 1);
        assertEquals(Integer.MAX_VALUE, last.firstToken() + last.tokens());
        assertEquals(511, last.tokens());
        assertEquals(200, last.firstTensor() + last.tensors());
    }

    @Test
    void tooManyTilesAreRefused() {
        List<LayerLayout> layers = List.of(layer(64, 64), layer(64, 64));
        Cutter perToken = new Cutter(new TileGeometry(0, 0, 1, 1, 1));
        String message = assertThrows(IllegalArgumentException.class, () -> new TilePlan(perToken, layout(sub(Integer.MAX_VALUE, layers)))).getMessage();
        assertEquals("a cache of 8589934588 tiles", message);
        SubCache most = sub(Integer.MAX_VALUE, List.of(layer(64, 64)));
        Cutter both = new Cutter(new TileGeometry(0, 0, 1, 1, 1 << 20));
        assertEquals(Integer.MAX_VALUE, new TilePlan(both, layout(most)).size());
        assertThrows(IllegalArgumentException.class, () -> new TilePlan(both, layout(most, most)));
    }

    @Test
    void geometriesOutOfRangeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new TileGeometry(-1, 0, 1, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new TileGeometry(0, -1, 1, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new TileGeometry(0, 0, 0, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new TileGeometry(0, 0, 1, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> new TileGeometry(0, 0, 1, 1, 0));
    }

    @Test
    void blocksAreShorterWhereRowsAreWide() {
        assertEquals(1024, TileGeometry.blockTokens(sub(1, List.of(layer(64, 64)))));
        assertEquals(1024, TileGeometry.blockTokens(sub(1, List.of(layer(512, 0)))));
        assertEquals(512, TileGeometry.blockTokens(sub(1, List.of(layer(8, 8), layer(513, 8)))));
        assertEquals(128, TileGeometry.blockTokens(sub(1, List.of(layer(1 << 16, 8)))));
        assertEquals(1024, TileGeometry.blockTokens(sub(1, List.of())));
    }
}
