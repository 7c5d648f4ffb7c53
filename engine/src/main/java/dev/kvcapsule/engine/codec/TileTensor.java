package dev.kvcapsule.engine.codec;

import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import java.lang.foreign.MemorySegment;

/**
 * One tensor's share of a tile.
 *
 * @param layer the layer it belongs to
 * @param part K or V
 * @param tokens rows
 * @param rows [tokens][channels] in the tensor's type, native memory, row by row without gaps
 * @param positions the tokens' positions
 */
public record TileTensor(LayerLayout layer, Part part, int tokens, MemorySegment rows, int[] positions) {
    /** Channels of a row. */
    public int width() {
        return layer.width(part);
    }

    /** Channels of a head. */
    public int headDim() {
        return layer.headDim(part);
    }

    /** Element type. */
    public DType type() {
        return layer.type(part);
    }

    /** Elements in all rows. */
    public long elements() {
        return (long) tokens * width();
    }

    /** The same tensor with its rows in other memory. */
    public TileTensor in(MemorySegment rows) {
        return new TileTensor(layer, part, tokens, rows, positions);
    }
}
