package dev.kvcapsule.engine.cache;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Some consecutive tokens of a cache whose every sub-cache holds all of them in order, as a cache of its own. */
public final class CacheSlice {
    private CacheSlice() {}

    /**
     * The cells from one token to another, without blobs and origin: what a chunk holds.
     *
     * @param cache every sub-cache of it holds positions 0, 1, 2, ... in this order
     * @param from first cell
     * @param to one after the last
     * @param arena holds what has to be copied: tensors that do not lie token by token
     */
    public static KvCache of(KvCache cache, int from, int to, Arena arena) {
        return build(cache, new CacheLayout(to - from, subCaches(cache.layout(), from, to), List.of(), Map.of()), from, to, arena);
    }

    /**
     * The cells from one token on, with the blobs and the origin of the whole.
     *
     * @param cache as for {@link #of}
     * @param from first cell
     * @param arena as for {@link #of}
     */
    public static KvCache tail(KvCache cache, int from, Arena arena) {
        CacheLayout whole = cache.layout();
        int cells = cells(whole);
        return build(cache, new CacheLayout(whole.tokens() - from, subCaches(whole, from, cells), whole.blobs(), whole.origin()), from, cells, arena);
    }

    /**
     * What a tail and the tokens before it amount to.
     *
     * @param tail the layout of a {@link #tail}
     * @param before how many tokens come before it
     */
    public static CacheLayout whole(CacheLayout tail, int before) {
        return new CacheLayout(tail.tokens() + before, subCaches(tail, -before, cells(tail)).stream().toList(), tail.blobs(), tail.origin());
    }

    /** Cells of every sub-cache; 0 if there is none. */
    private static int cells(CacheLayout layout) {
        return layout.subCaches().isEmpty() ? 0 : layout.subCaches().getFirst().cells();
    }

    private static List<SubCache> subCaches(CacheLayout layout, int from, int to) {
        List<SubCache> cut = new ArrayList<>();
        for (SubCache sub : layout.subCaches()) {
            long[] runs = sub.positions().runs();
            long first = runs.length == 0 ? 0 : runs[0];
            Positions positions = from == to ? Positions.ofRuns(new long[0]) : Positions.ofRuns(new long[] {Math.max(0, first + from), to - from});
            cut.add(new SubCache(sub.name(), positions, sub.keyOrder(), sub.valueOrder(), sub.layers()));
        }
        return cut;
    }

    private static KvCache build(KvCache cache, CacheLayout layout, int from, int to, Arena arena) {
        KvCache.Builder builder = new KvCache.Builder(layout);
        for (int s = 0; s < layout.subCaches().size(); s++) {
            SubCache sub = cache.layout().subCaches().get(s);
            for (Part part : Part.values()) {
                for (int l = 0; l < sub.layers().size(); l++) {
                    builder.add(s, part, tensor(cache.tensor(s, l, part), sub, sub.layers().get(l), part, from, to, arena));
                }
            }
        }
        for (int b = 0; b < layout.blobs().size(); b++) {
            builder.addBlob(cache.blob(b));
        }
        return builder.build();
    }

    private static MemorySegment tensor(MemorySegment whole, SubCache sub, LayerLayout layer, Part part, int from, int to, Arena arena) {
        if (!layer.has(part)) {
            return whole;
        }
        long rowBytes = layer.rowBytes(part);
        return switch (sub.order(part)) {
            case TOKEN_MAJOR -> whole.asSlice(from * rowBytes, (to - from) * rowBytes);
            case HEAD_MAJOR -> columns(whole, layer.kvHeads(), layer.type(part).rowBytes(layer.headDim(part)), sub.cells(), from, to, arena);
            case CHANNEL_MAJOR -> columns(whole, layer.width(part), layer.type(part).blockBytes(), sub.cells(), from, to, arena);
        };
    }

    /** Cuts [column][cell]. */
    private static MemorySegment columns(MemorySegment whole, int columns, long bytes, int cells, int from, int to, Arena arena) {
        long cut = (to - from) * bytes;
        MemorySegment copy = arena.allocate(columns * cut);
        for (int c = 0; c < columns; c++) {
            MemorySegment.copy(whole, ((long) c * cells + from) * bytes, copy, c * cut, cut);
        }
        return copy;
    }
}
