package dev.kvcapsule.engine.codec;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import java.util.ArrayList;
import java.util.List;

/**
 * All tiles of a cache, in capsule order: sub-cache by sub-cache, token range by token range, tensors innermost; so that a prefix of the tokens
 * is a prefix of a sub-cache's tiles. Tiles are computed, not stored: a plan's memory depends on the number of layers alone.
 */
public final class TilePlan {
    /** Most bytes of a payload: for each element, for a frame beside them, and altogether (docs/format.md, "Tiles"). */
    private static final long ELEMENT_BYTES = 9;
    private static final long FRAME_BYTES = 1 << 20;
    private static final long MOST_PAYLOAD_BYTES = 256 << 20;

    /** A run of token ranges that are cut alike: {@code blocks} ranges of {@code blockTokens}, the last one possibly shorter. */
    private record Cut(int firstToken, int tokens, int blockTokens, Region kind, boolean exact, int[] chunkStarts, long firstTile) {
        int blocks() {
            return Math.ceilDiv(tokens, blockTokens);
        }

        int chunks() {
            return chunkStarts.length - 1;
        }

        long tiles() {
            return (long) blocks() * chunks();
        }
    }

    private record PlannedSubCache(List<Cut> regions, long firstTile, long tiles) {}

    private final List<PlannedSubCache> subCaches = new ArrayList<>();
    private final long tiles;

    /**
     * @param codec the codec that cuts
     * @param layout what it cuts
     * @throws IllegalArgumentException if there are 2^31 tiles or more
     */
    public TilePlan(Codec codec, CacheLayout layout) {
        long count = 0;
        for (SubCache sub : layout.subCaches()) {
            PlannedSubCache planned = plan(sub, codec.geometry(sub), count);
            subCaches.add(planned);
            count += planned.tiles();
        }
        if (count > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("a cache of " + count + " tiles");
        }
        this.tiles = count;
    }

    private static PlannedSubCache plan(SubCache sub, TileGeometry geometry, long firstTile) {
        List<Cut> regions = new ArrayList<>();
        int cells = sub.layers().isEmpty() ? 0 : sub.cells();
        int sink = Math.min(geometry.sinkTokens(), cells);
        int window = Math.min(geometry.windowTokens(), cells - sink);
        int body = cells - sink - window;
        body -= body % geometry.bodyMultiple();
        long next = firstTile;
        next += add(regions, sub, geometry, 0, sink, Region.SINK, next);
        next += add(regions, sub, geometry, sink, body, Region.BODY, next);
        next += add(regions, sub, geometry, sink + body, cells - sink - body, Region.WINDOW, next);
        return new PlannedSubCache(regions, firstTile, next - firstTile);
    }

    private static long add(List<Cut> regions, SubCache sub, TileGeometry geometry, int first, int tokens, Region kind, long firstTile) {
        if (tokens == 0) {
            return 0;
        }
        int block = Math.min(geometry.blockTokens(), tokens);
        boolean exact = kind != Region.BODY && geometry.exactEdges();
        int[] chunks = geometry.tileLayers() > 0 ? chunks(sub, geometry.tileLayers()) : chunks(sub, block, geometry.tileBytes());
        Cut region = new Cut(first, tokens, block, kind, exact, chunks, firstTile);
        regions.add(region);
        return region.tiles();
    }

    /** Cuts the tensors so that each chunk has that many layers. */
    private static int[] chunks(SubCache sub, int tileLayers) {
        int layers = sub.layers().size();
        int[] starts = new int[Math.ceilDiv(layers, tileLayers) + 1];
        for (int c = 0; c < starts.length; c++) {
            starts[c] = 2 * (int) Math.min((long) c * tileLayers, layers);
        }
        return starts;
    }

    /** Cuts the tensors so that each chunk has at most {@code tileBytes} a block of tokens, or is a single tensor. */
    private static int[] chunks(SubCache sub, int blockTokens, long tileBytes) {
        List<Integer> starts = new ArrayList<>();
        long bytes = 0;
        int tensors = 2 * sub.layers().size();
        for (int tensor = 0; tensor < tensors; tensor++) {
            LayerLayout layer = sub.layers().get(tensor / 2);
            long own = layer.rowBytes(part(tensor)) * blockTokens;
            if (tensor == 0 || bytes > 0 && bytes + own > tileBytes) {
                starts.add(tensor);
                bytes = 0;
            }
            bytes += own;
        }
        starts.add(tensors);
        return starts.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Which part a tensor number names; its layer is {@code tensor / 2}. */
    public static Part part(int tensor) {
        return tensor % 2 == 0 ? Part.KEY : Part.VALUE;
    }

    /** Number of tiles. */
    public int size() {
        return (int) tiles;
    }

    /** @throws IndexOutOfBoundsException if there is no such tile */
    public Tile get(int index) {
        if (index < 0 || index >= tiles) {
            throw new IndexOutOfBoundsException("tile " + index + " of " + tiles);
        }
        for (int s = 0; s < subCaches.size(); s++) {
            PlannedSubCache sub = subCaches.get(s);
            if (index < sub.firstTile() + sub.tiles()) {
                for (Cut region : sub.regions()) {
                    long within = index - region.firstTile();
                    if (within < region.tiles()) {
                        int block = (int) (within / region.chunks());
                        int chunk = (int) (within % region.chunks());
                        int offset = block * region.blockTokens();
                        int first = region.chunkStarts()[chunk];
                        return new Tile(s, first, region.chunkStarts()[chunk + 1] - first, region.firstToken() + offset,
                                Math.min(region.blockTokens(), region.tokens() - offset), region.kind(), region.exact());
                    }
                }
            }
        }
        throw new AssertionError("tile " + index + " is in no region");
    }

    /** Bytes that a tile's frame holds at most, in whatever codec: what a reader takes memory for before it knows who made the frame. */
    public static int mostPayloadBytes(CacheLayout layout, Tile tile) {
        SubCache sub = layout.subCaches().get(tile.subCache());
        long elements = 0;
        for (int tensor = tile.firstTensor(); tensor < tile.firstTensor() + tile.tensors(); tensor++) {
            elements += (long) sub.layers().get(tensor / 2).width(part(tensor)) * tile.tokens();
        }
        return (int) Math.min(MOST_PAYLOAD_BYTES, FRAME_BYTES + ELEMENT_BYTES * elements);
    }

    /** Raw bytes of a tile's tensors. */
    public static long rawBytes(CacheLayout layout, Tile tile) {
        SubCache sub = layout.subCaches().get(tile.subCache());
        long bytes = 0;
        for (int tensor = tile.firstTensor(); tensor < tile.firstTensor() + tile.tensors(); tensor++) {
            bytes += sub.layers().get(tensor / 2).rowBytes(part(tensor)) * tile.tokens();
        }
        return bytes;
    }
}
