package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Presents a tile of a cache as rows in token order. Where the cache already has them so, they are slices of its memory; where it does not
 * (transposed V, heads apart, a sliding window that wrapped around) they are gathered into scratch, and scattered back after decoding.
 */
final class TileAccess {
    private final KvCache cache;
    private final List<int[]> orders = new ArrayList<>();

    TileAccess(KvCache cache) {
        this.cache = cache;
        for (SubCache sub : cache.layout().subCaches()) {
            orders.add(sub.positions().tokenOrder());
        }
    }

    /** The tile's tensors, to be read. */
    List<TileTensor> read(Tile tile, Scratch scratch) {
        SubCache sub = cache.layout().subCaches().get(tile.subCache());
        List<TileTensor> tensors = shape(sub, orders.get(tile.subCache()), tile, scratch);
        moveIndirect(tile, sub, tensors, tile.tokens(), true);
        return tensors;
    }

    /**
     * The tile's tensors, to be written; {@link #commit} brings them home.
     *
     * @param full the sub-cache as it was encoded; this cache may hold fewer of its tokens
     * @param fullOrder its token order, null if that is its cell order
     */
    List<TileTensor> write(SubCache full, int[] fullOrder, Tile tile, Scratch scratch) {
        return shape(full, fullOrder, tile, scratch);
    }

    /** Copies what was decoded into scratch to where it belongs, leaving out tokens that this cache does not hold. */
    void commit(Tile tile, List<TileTensor> tensors) {
        SubCache sub = cache.layout().subCaches().get(tile.subCache());
        moveIndirect(tile, sub, tensors, Math.min(tile.tokens(), sub.cells() - tile.firstToken()), false);
    }

    /** Moves every tensor that is not a slice of the cache itself. */
    private void moveIndirect(Tile tile, SubCache sub, List<TileTensor> tensors, int tokens, boolean gather) {
        int next = 0;
        for (int number = tile.firstTensor(); number < tile.firstTensor() + tile.tensors(); number++) {
            Part part = TilePlan.part(number);
            if (sub.layers().get(number / 2).has(part)) {
                TileTensor tensor = tensors.get(next++);
                if (tokens < tile.tokens() || !isDirect(sub, part, tile.subCache())) {
                    move(tile, sub, cache.tensor(tile.subCache(), number / 2, part), tensor, tokens, gather);
                }
            }
        }
    }

    private boolean isDirect(SubCache sub, Part part, int subIndex) {
        return sub.order(part) == TensorOrder.TOKEN_MAJOR && orders.get(subIndex) == null;
    }

    /** The tile's tensors in scratch memory, for a tile that goes nowhere. */
    static List<TileTensor> detached(SubCache sub, int[] order, Tile tile, Scratch scratch) {
        return shape(sub, order, tile, scratch, (number, part) -> MemorySegment.NULL);
    }

    private List<TileTensor> shape(SubCache full, int[] fullOrder, Tile tile, Scratch scratch) {
        SubCache own = cache.layout().subCaches().get(tile.subCache());
        boolean whole = tile.firstToken() + tile.tokens() <= own.cells();
        return shape(full, fullOrder, tile, scratch, (number, part) ->
                whole && isDirect(own, part, tile.subCache()) ? cache.tensor(tile.subCache(), number / 2, part) : MemorySegment.NULL);
    }

    /** Says where the rows of a tensor number lie if they can be used in place, else null memory. */
    private interface Home {
        MemorySegment of(int number, Part part);
    }

    private static List<TileTensor> shape(SubCache full, int[] fullOrder, Tile tile, Scratch scratch, Home home) {
        int[] positions = new int[tile.tokens()];
        full.positions().copy(fullOrder, tile.firstToken(), tile.tokens(), positions);
        List<TileTensor> tensors = new ArrayList<>(tile.tensors());
        scratch.reset();
        for (int number = tile.firstTensor(); number < tile.firstTensor() + tile.tensors(); number++) {
            LayerLayout layer = full.layers().get(number / 2);
            Part part = TilePlan.part(number);
            if (!layer.has(part)) {
                continue;
            }
            long rowBytes = layer.rowBytes(part);
            MemorySegment own = home.of(number, part);
            MemorySegment rows = own.byteSize() > 0 ? own.asSlice(tile.firstToken() * rowBytes, tile.tokens() * rowBytes) : scratch.take(tile.tokens() * rowBytes);
            tensors.add(new TileTensor(layer, part, tile.tokens(), rows, positions));
        }
        return tensors;
    }

    /** Copies the tile's first {@code tokens} rows between the cache and the tensor's scratch. */
    private void move(Tile tile, SubCache sub, MemorySegment home, TileTensor tensor, int tokens, boolean gather) {
        int[] order = orders.get(tile.subCache());
        long rowBytes = tensor.layer().rowBytes(tensor.part());
        switch (sub.order(tensor.part())) {
            case TOKEN_MAJOR -> moveRows(home, 0, rowBytes, tensor.rows(), 0, rowBytes, tile, order, tokens, gather);
            case HEAD_MAJOR -> {
                long headBytes = tensor.type().rowBytes(tensor.headDim());
                for (int head = 0; head < tensor.layer().kvHeads(); head++) {
                    moveRows(home, head * headBytes * sub.cells(), headBytes, tensor.rows(), head * headBytes, rowBytes, tile, order, tokens, gather);
                }
            }
            case CHANNEL_MAJOR -> transpose(home, sub.cells(), tensor, tile.firstToken(), order, tokens, gather);
        }
    }

    private static void moveRows(MemorySegment home, long homeOffset, long homeStride, MemorySegment rows, long rowOffset, long rowStride, Tile tile, int[] order,
            int tokens, boolean gather) {
        for (int t = 0; t < tokens; t++) {
            long cell = order == null ? tile.firstToken() + t : order[tile.firstToken() + t];
            long at = homeOffset + cell * homeStride;
            if (gather) {
                MemorySegment.copy(home, at, rows, rowOffset + t * rowStride, homeStride);
            } else {
                MemorySegment.copy(rows, rowOffset + t * rowStride, home, at, homeStride);
            }
        }
    }

    private static void transpose(MemorySegment home, int cells, TileTensor tensor, int firstToken, int[] order, int tokens, boolean gather) {
        int bytes = tensor.type().blockBytes();
        for (int channel = 0; channel < tensor.width(); channel++) {
            for (int t = 0; t < tokens; t++) {
                long cell = order == null ? firstToken + t : order[firstToken + t];
                long at = ((long) channel * cells + cell) * bytes;
                long row = ((long) t * tensor.width() + channel) * bytes;
                if (gather) {
                    copyElement(home, at, tensor.rows(), row, bytes);
                } else {
                    copyElement(tensor.rows(), row, home, at, bytes);
                }
            }
        }
    }

    private static void copyElement(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, int bytes) {
        switch (bytes) {
            case 1 -> to.set(ValueLayout.JAVA_BYTE, toOffset, from.get(ValueLayout.JAVA_BYTE, fromOffset));
            case 2 -> to.set(ValueLayout.JAVA_SHORT_UNALIGNED, toOffset, from.get(ValueLayout.JAVA_SHORT_UNALIGNED, fromOffset));
            default -> to.set(ValueLayout.JAVA_INT_UNALIGNED, toOffset, from.get(ValueLayout.JAVA_INT_UNALIGNED, fromOffset));
        }
    }
}
