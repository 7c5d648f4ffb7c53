package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.memory.Scratch;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Reads tiles out of a cache. Rows that lie in token order are used where they are; others (transposed V, heads apart, a sliding window that
 * wrapped around) are gathered.
 */
public final class TileInput implements TileSource {
    private final KvCache cache;
    private final TileShapes shapes;

    /** Reads from that cache. */
    public TileInput(KvCache cache) {
        this.cache = cache;
        this.shapes = new TileShapes(cache.layout());
    }

    @Override
    public CacheLayout layout() {
        return cache.layout();
    }

    @Override
    public MemorySegment blob(int index) {
        return cache.blob(index);
    }

    @Override
    public boolean isDevice() {
        return false;
    }

    @Override
    public List<TileTensor> read(Tile tile, Scratch scratch) {
        List<TileTensor> tensors = shapes.tensors(tile, scratch, (layer, part) ->
                shapes.hasRowsInOrder(tile.subCache(), part) ? cache.tensor(tile.subCache(), layer, part) : MemorySegment.NULL);
        shapes.forEach(tile, tensors, (layer, tensor) -> {
            if (!shapes.hasRowsInOrder(tile.subCache(), tensor.part())) {
                gather(tile, cache.tensor(tile.subCache(), layer, tensor.part()), tensor);
            }
        });
        return tensors;
    }

    private void gather(Tile tile, MemorySegment home, TileTensor tensor) {
        SubCache sub = cache.layout().subCaches().get(tile.subCache());
        long rowBytes = tensor.layer().rowBytes(tensor.part());
        switch (sub.order(tensor.part())) {
            case TOKEN_MAJOR -> {
                for (int t = 0; t < tile.tokens(); t++) {
                    MemorySegment.copy(home, shapes.cell(tile.subCache(), tile.firstToken() + t) * rowBytes, tensor.rows(), t * rowBytes, rowBytes);
                }
            }
            case HEAD_MAJOR -> {
                long headBytes = tensor.type().rowBytes(tensor.headDim());
                for (int t = 0; t < tile.tokens(); t++) {
                    long cell = shapes.cell(tile.subCache(), tile.firstToken() + t);
                    for (int head = 0; head < tensor.layer().kvHeads(); head++) {
                        MemorySegment.copy(home, ((long) head * sub.cells() + cell) * headBytes, tensor.rows(), t * rowBytes + head * headBytes, headBytes);
                    }
                }
            }
            case CHANNEL_MAJOR -> {
                int bytes = tensor.type().blockBytes();
                for (int channel = 0; channel < tensor.width(); channel++) {
                    for (int t = 0; t < tile.tokens(); t++) {
                        long cell = shapes.cell(tile.subCache(), tile.firstToken() + t);
                        Elements.copy(home, ((long) channel * sub.cells() + cell) * bytes, tensor.rows(), t * rowBytes + (long) channel * bytes, bytes);
                    }
                }
            }
        }
    }
}
