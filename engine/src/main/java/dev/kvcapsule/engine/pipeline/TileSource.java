package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.memory.Scratch;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Where an encoder's tiles come from. Read by many threads at once. */
public interface TileSource {
    /** The cache that is read. */
    CacheLayout layout();

    /** One blob, by its index in the layout; in the host's memory. */
    MemorySegment blob(int index);

    /** Whether rows are in a device's memory. */
    boolean isDevice();

    /**
     * The tile's tensors, rows in token order; absent V is left out.
     *
     * @param scratch for rows that have to be gathered; of the device's memory if the rows are; is reset
     * @return valid until the scratch is reset again
     */
    List<TileTensor> read(Tile tile, Scratch scratch);
}
