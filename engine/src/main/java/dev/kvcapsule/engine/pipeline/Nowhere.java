package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Takes what is decoded in order to be checked, and forgets it. Token by token, as tiles are decoded: nothing is put into another order for nobody. */
record Nowhere(CacheLayout layout) implements CacheSink {
    Nowhere {
        List<SubCache> plain = layout.subCaches().stream()
                .map(sub -> new SubCache(sub.name(), sub.positions(), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, sub.layers())).toList();
        layout = new CacheLayout(layout.tokens(), plain, layout.blobs(), layout.origin());
    }

    @Override
    public MemorySegment inPlace(int sub, int layer, Part part) {
        return MemorySegment.NULL;
    }

    @Override
    public void write(int sub, int layer, Part part, long offset, MemorySegment bytes) {
        // Nobody wants them.
    }

    @Override
    public void discard() {
        // There is nothing.
    }
}
