package dev.kvcapsule.serving;

import dev.kvcapsule.engine.cache.Rope;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What a cache file does not say about its model, from a GGUF header or from the user.
 *
 * @param layers one entry a model layer, in model order; empty if nothing is known but what {@link #fallback} says
 * @param fallback what holds for every layer when {@code layers} is empty (for the global layers only, if the file holds two caches)
 * @param localFallback what holds for the sliding-window layers of a file that holds two caches, when {@code layers} is empty
 * @param memory how the model's memory is laid out
 * @param identity facts to store with the cache: architecture, name, ...
 */
public record ModelFacts(List<Layer> layers, Optional<Layer> fallback, Optional<Layer> localFallback, Memory memory, Map<String, String> identity) {

    /** As {@link Layer#valueHeadDim}: the layer keeps no V (multi-head latent attention). */
    public static final int NO_VALUE = -1;

    /** Nothing is known: one KV head as wide as the row, no RoPE, and whatever memory structure fits. */
    public static final ModelFacts UNKNOWN = new ModelFacts(List.of(), Optional.empty(), Optional.empty(), Memory.UNKNOWN, Map.of());

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
        RECURRENT;

        /** The name used in options and messages. */
        public String label() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }

        /** @throws IllegalArgumentException if there is no memory of that name */
        public static Memory ofLabel(String label) {
            for (Memory memory : values()) {
                if (memory.label().equals(label)) {
                    return memory;
                }
            }
            throw new IllegalArgumentException("memory '" + label + "' is none of unknown, dense, iswa, hybrid, hybrid-iswa, recurrent");
        }
    }

    /**
     * One attention layer. A component of 0 means "not said".
     *
     * @param kvHeads KV heads
     * @param keyHeadDim channels of a head in K
     * @param valueHeadDim channels of a head in V; {@link #NO_VALUE} if the layer keeps no V
     * @param rope how K is rotated; empty if it is not or if nobody said
     * @param window attention window in tokens, 0 for global
     * @param attention whether the layer has an attention cache at all (false for the recurrent layers of a hybrid model)
     */
    public record Layer(int kvHeads, int keyHeadDim, int valueHeadDim, Optional<Rope> rope, int window, boolean attention) {
        /** A layer of which nothing is known. */
        public static final Layer UNKNOWN = new Layer(0, 0, 0, Optional.empty(), 0, true);

        /** @throws IllegalArgumentException if a number is out of its range */
        public Layer {
            if (kvHeads < 0 || keyHeadDim < 0 || valueHeadDim < NO_VALUE || window < 0) {
                throw new IllegalArgumentException(kvHeads + " KV heads of " + keyHeadDim + " and " + valueHeadDim + " channels, window " + window
                        + ": out of range");
            }
        }
    }

    /**
     * Parses what a user says of a model whose file is not at hand: {@code key=value} pairs separated by commas.
     * <ul>
     * <li>{@code heads=3x64}: KV heads and channels a head; {@code heads=8x192x128}: K and V differ; {@code heads=1x576x0}: no V
     * <li>{@code rope=interleaved:100000:64}: pairing (interleaved or half-split), base, rotated channels of a head; a fourth number is the linear
     * position scale (1 is none); {@code rope=none}
     * <li>{@code window=512}: attention window in tokens, 0 for global
     * <li>{@code memory=dense}: dense, iswa, hybrid, hybrid-iswa, recurrent
     * <li>{@code local-heads}, {@code local-rope}: the same for the sliding-window layers of a file with two caches, whose window is then
     * {@code window}; heads default to {@code heads}, RoPE to none said
     * </ul>
     *
     * @throws IllegalArgumentException naming the pair that is wrong and what was expected
     */
    public static ModelFacts parse(String text) {
        Map<String, String> pairs = new TreeMap<>();
        Set<String> known = new HashSet<>(List.of("heads", "rope", "window", "memory", "local-heads", "local-rope"));
        for (String pair : text.split(",")) {
            int equals = pair.indexOf('=');
            String key = equals < 0 ? pair.strip() : pair.substring(0, equals).strip();
            if (equals < 0 || !known.remove(key)) {
                throw new IllegalArgumentException("model facts: '" + pair.strip() + "' is not one (more) of heads=, rope=, window=, memory=, "
                        + "local-heads=, local-rope=, such as rope=interleaved:100000:64,heads=3x64,window=0");
            }
            pairs.put(key, pair.substring(equals + 1).strip());
        }
        Memory memory = pairs.containsKey("memory") ? Memory.ofLabel(pairs.get("memory")) : Memory.UNKNOWN;
        int window = pairs.containsKey("window") ? number("window", pairs.get("window"), 0) : 0;
        int[] heads = heads("heads", pairs.getOrDefault("heads", ""));
        int[] localHeads = pairs.containsKey("local-heads") ? heads("local-heads", pairs.get("local-heads")) : heads;
        Layer layer = new Layer(heads[0], heads[1], heads[2], rope("rope", pairs.get("rope")), window, true);
        Layer local = new Layer(localHeads[0], localHeads[1], localHeads[2], rope("local-rope", pairs.get("local-rope")), window, true);
        return new ModelFacts(List.of(), Optional.of(layer), Optional.of(local), memory, Map.of());
    }

    private static int[] heads(String key, String text) {
        if (text.isEmpty()) {
            return new int[3];
        }
        List<Integer> numbers = new ArrayList<>();
        for (String part : text.split("x", -1)) {
            numbers.add(number(key, part, numbers.size() == 2 ? 0 : 1));
        }
        if (numbers.size() != 2 && numbers.size() != 3) {
            throw new IllegalArgumentException(key + "=" + text + ": expected HEADSxCHANNELS or HEADSxKEY_CHANNELSxVALUE_CHANNELS");
        }
        int value = numbers.size() == 2 ? numbers.get(1) : numbers.get(2);
        return new int[] {numbers.get(0), numbers.get(1), value == 0 ? NO_VALUE : value};
    }

    private static Optional<Rope> rope(String key, String text) {
        try {
            return text == null ? Optional.empty() : RopeText.parse(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(key + "=" + text + ": " + e.getMessage(), e);
        }
    }

    private static int number(String key, String text, int min) {
        try {
            int number = Integer.parseInt(text);
            if (number >= min) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Said below, together with numbers that are too small.
        }
        throw new IllegalArgumentException(key + ": '" + text + "' is not a whole number of at least " + min);
    }
}
