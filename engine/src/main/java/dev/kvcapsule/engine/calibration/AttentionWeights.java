package dev.kvcapsule.engine.calibration;

import java.util.Optional;

/**
 * How much an error in a cache harms, by direction within a head and by layer. Each part is optional: without one, all directions, or all layers, are
 * alike. Arrays are indexed by the layer's number in the model and not copied.
 *
 * @param keyMoments [layer][KV head][dim x dim], second moments of the queries that read the head, as errors of keys before RoPE meet them
 * @param valueMoments [layer][KV head][dim x dim], Gram matrices of the output projection's slice behind the head
 * @param keySensitivity damage per unit of mean square error of K, by layer; positive, NaN where there is no cache
 * @param valueSensitivity the same for V
 */
public record AttentionWeights(Optional<double[][][]> keyMoments, Optional<double[][][]> valueMoments, Optional<double[]> keySensitivity,
        Optional<double[]> valueSensitivity) {
    /** All errors are alike. */
    public static final AttentionWeights NONE = new AttentionWeights(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());

    /** What of this is known, in a word: {@code query}, {@code noise} or {@code none}, as {@code capsule calibrate --weights} has it. */
    public String label() {
        return keyMoments.isPresent() ? "query" : keySensitivity.isPresent() ? "noise" : "none";
    }
}
