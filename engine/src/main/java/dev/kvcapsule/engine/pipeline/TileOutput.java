package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Brings decoded tiles to a sink, in the memory order that the sink's layout has and without the tokens that it does not hold. One thread's.
 */
final class TileOutput {
    private final TileShapes encoded;
    private final CacheSink sink;
    private final TileShapes own;
    private final int firstToken;
    private final Scratch scratch;
    private final GrowingBuffer transposed;

    /**
     * @param encoded the layout of the capsule
     * @param firstToken of the sink that the capsule's first one is
     * @param state has the memory for rows on their way
     */
    TileOutput(CacheLayout encoded, CacheSink sink, int firstToken, WorkerState state) {
        this.firstToken = firstToken;
        this.scratch = state.rows;
        this.transposed = state.transposed;
        this.encoded = new TileShapes(encoded);
        this.sink = sink;
        this.own = new TileShapes(sink.layout());
    }

    /** Whether the sink holds none of a tile's tokens. */
    boolean keepsNothing(Tile tile) {
        return tile.tokens() > 0 && kept(tile) == 0;
    }

    /** The tile's tensors, to be decoded into; {@link #commit} brings them home. */
    List<TileTensor> open(Tile tile) {
        boolean whole = kept(tile) == tile.tokens();
        return encoded.tensors(tile, scratch, (layer, part) ->
                whole && own.hasRowsInOrder(tile.subCache(), part) ? home(tile.subCache(), layer, part) : MemorySegment.NULL);
    }

    /** Where the capsule's first token and those after it go, if they can be written there. */
    private MemorySegment home(int sub, int layer, Part part) {
        MemorySegment whole = sink.inPlace(sub, layer, part);
        return whole.byteSize() == 0 ? whole : whole.asSlice(firstToken * sink.layout().subCaches().get(sub).layers().get(layer).rowBytes(part));
    }

    /** Writes what was decoded to the sink. */
    void commit(Tile tile, List<TileTensor> tensors) throws IOException {
        int kept = kept(tile);
        encoded.forEach(tile, tensors, (layer, tensor) -> {
            boolean inPlace = kept == tile.tokens() && own.hasRowsInOrder(tile.subCache(), tensor.part())
                    && sink.inPlace(tile.subCache(), layer, tensor.part()).byteSize() > 0;
            if (!inPlace) {
                scatter(tile, layer, tensor, kept);
            }
        });
    }

    private int kept(Tile tile) {
        return Math.clamp(sink.layout().subCaches().get(tile.subCache()).cells() - (long) first(tile), 0, tile.tokens());
    }

    private int first(Tile tile) {
        return firstToken + tile.firstToken();
    }

    private void scatter(Tile tile, int layer, TileTensor tensor, int kept) throws IOException {
        SubCache sub = sink.layout().subCaches().get(tile.subCache());
        long rowBytes = tensor.layer().rowBytes(tensor.part());
        for (int t = 0; t < kept; ) {
            int run = run(tile, t, kept);
            long cell = own.cell(tile.subCache(), first(tile) + t);
            MemorySegment rows = tensor.rows().asSlice(t * rowBytes, run * rowBytes);
            switch (sub.order(tensor.part())) {
                case TOKEN_MAJOR -> sink.write(tile.subCache(), layer, tensor.part(), cell * rowBytes, rows);
                case HEAD_MAJOR -> columns(tile, layer, tensor, rows, run, cell, sub.cells(), tensor.type().rowBytes(tensor.headDim()), tensor.layer().kvHeads());
                case CHANNEL_MAJOR -> columns(tile, layer, tensor, rows, run, cell, sub.cells(), tensor.type().blockBytes(), tensor.width());
            }
            t += run;
        }
    }

    /** How many tokens from t on have consecutive cells. */
    private int run(Tile tile, int t, int kept) {
        int run = 1;
        long cell = own.cell(tile.subCache(), first(tile) + t);
        while (t + run < kept && own.cell(tile.subCache(), first(tile) + t + run) == cell + run) {
            run++;
        }
        return run;
    }

    /** Writes rows column by column, a column being a head or a channel: [column][cell]. */
    private void columns(Tile tile, int layer, TileTensor tensor, MemorySegment rows, int run, long cell, long cells, long columnBytes, int columns) throws IOException {
        MemorySegment column = transposed.atLeast(run * columnBytes).asSlice(0, run * columnBytes);
        long rowBytes = columns * columnBytes;
        for (int c = 0; c < columns; c++) {
            for (int t = 0; t < run; t++) {
                if (columnBytes == 1 || columnBytes == 2 || columnBytes == 4) {
                    Elements.copy(rows, t * rowBytes + c * columnBytes, column, t * columnBytes, (int) columnBytes);
                } else {
                    MemorySegment.copy(rows, t * rowBytes + c * columnBytes, column, t * columnBytes, columnBytes);
                }
            }
            sink.write(tile.subCache(), layer, tensor.part(), (c * cells + cell) * columnBytes, column);
        }
    }
}
