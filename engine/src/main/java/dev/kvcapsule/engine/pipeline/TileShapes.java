package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.memory.Scratch;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The tensors of a layout's tiles, as rows in token order: in place where the cache has them so, else in scratch memory. */
final class TileShapes {
    /** Says where the whole tensor lies if its rows can be used in place. */
    interface InPlace {
        /** Null memory if they cannot. */
        MemorySegment of(int layer, Part part);
    }

    private final CacheLayout layout;
    private final List<int[]> orders = new ArrayList<>();

    TileShapes(CacheLayout layout) {
        this.layout = layout;
        for (SubCache sub : layout.subCaches()) {
            orders.add(sub.positions().tokenOrder());
        }
    }

    /** The cell of a token. */
    long cell(int sub, int token) {
        int[] order = orders.get(sub);
        return order == null ? token : order[token];
    }

    /** Whether the rows of consecutive tokens lie one after the other in the cache. */
    boolean hasRowsInOrder(int sub, Part part) {
        return orders.get(sub) == null && layout.subCaches().get(sub).order(part) == TensorOrder.TOKEN_MAJOR;
    }

    /** The tile's tensors; absent V is left out. */
    List<TileTensor> tensors(Tile tile, Scratch scratch, InPlace inPlace) {
        SubCache sub = layout.subCaches().get(tile.subCache());
        int[] positions = new int[tile.tokens()];
        sub.positions().copy(orders.get(tile.subCache()), tile.firstToken(), tile.tokens(), positions);
        List<TileTensor> tensors = new ArrayList<>(tile.tensors());
        scratch.reset();
        for (int number = tile.firstTensor(); number < tile.firstTensor() + tile.tensors(); number++) {
            LayerLayout layer = sub.layers().get(number / 2);
            Part part = TilePlan.part(number);
            if (layer.has(part)) {
                long rowBytes = layer.rowBytes(part);
                MemorySegment whole = inPlace.of(number / 2, part);
                MemorySegment rows = whole.byteSize() > 0 ? whole.asSlice(tile.firstToken() * rowBytes, tile.tokens() * rowBytes)
                        : scratch.take(tile.tokens() * rowBytes);
                tensors.add(new TileTensor(layer, part, tile.tokens(), rows, positions));
            }
        }
        return tensors;
    }

    /** Does something for each tensor of a tile, with the index of its layer within the sub-cache. */
    <E extends Exception> void forEach(Tile tile, List<TileTensor> tensors, TensorAction<E> action) throws E {
        SubCache sub = layout.subCaches().get(tile.subCache());
        int next = 0;
        for (int number = tile.firstTensor(); number < tile.firstTensor() + tile.tensors(); number++) {
            if (sub.layers().get(number / 2).has(TilePlan.part(number))) {
                action.accept(number / 2, tensors.get(next++));
            }
        }
    }

    /** What {@link #forEach} does. */
    interface TensorAction<E extends Exception> {
        void accept(int layer, TileTensor tensor) throws E;
    }
}
