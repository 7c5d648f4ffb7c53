package dev.kvcapsule.serving;

import dev.kvcapsule.engine.cache.Rope;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a cache file does not say about its model, from a GGUF header or from the user.
 *
 * @param layers one entry a model layer, in model order; empty if nothing is known but what {@link #fallback} says
 * @param fallback what holds for every layer when {@code layers} is empty
 * @param memory how the model's memory is laid out
 * @param identity facts to store with the cache: architecture, name, ...
 */
public record ModelFacts(List<Layer> layers, Optional<Layer> fallback, Memory memory, Map<String, String> identity) {

    /** Nothing is known. Dense memory is assumed. */
    public static final ModelFacts UNKNOWN = new ModelFacts(List.of(), Optional.empty(), Memory.UNKNOWN, Map.of());

    /** Copies the collections. */
    public ModelFacts {
        layers = List.copyOf(layers);
        identity = Map.copyOf(identity);
    }

    /** Which sub-caches a state holds. */
    public enum Memory {
        /** Not said: whatever parses to exactly the end of the file, tried from simple to complex. */
        UNKNOWN,
        /** One attention cache. */
        DENSE,
        /** A global and a sliding-window cache. */
        ISWA,
        /** An attention cache and a recurrent state. */
        HYBRID,
        /** A global and a sliding-window cache and a recurrent state. */
        HYBRID_ISWA,
        /** A recurrent state alone. */
        RECURRENT
    }

    /**
     * One attention layer. A component of 0 means "not said".
     *
     * @param kvHeads KV heads
     * @param keyHeadDim channels of a head in K
     * @param valueHeadDim channels of a head in V
     * @param rope how K is rotated
     * @param window attention window in tokens, 0 for global
     * @param attention whether the layer has an attention cache at all (false for the recurrent layers of a hybrid model)
     */
    public record Layer(int kvHeads, int keyHeadDim, int valueHeadDim, Optional<Rope> rope, int window, boolean attention) {}
}
