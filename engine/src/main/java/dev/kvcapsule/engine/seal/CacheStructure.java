package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.cache.LayerLayout;
import java.util.List;

/** Says which layers a runtime's cache can take. */
@FunctionalInterface
public interface CacheStructure {
    /** Whether a layer of a capsule fits the layer of that number. */
    boolean accepts(LayerLayout layer);

    /** Exactly these layers, in everything. */
    static CacheStructure of(List<LayerLayout> layers) {
        return List.copyOf(layers)::contains;
    }
}
