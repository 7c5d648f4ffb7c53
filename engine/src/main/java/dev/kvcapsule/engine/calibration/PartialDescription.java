package dev.kvcapsule.engine.calibration;

import dev.kvcapsule.engine.cache.CacheLayout;
import java.util.List;
import java.util.Map;

/**
 * What a file of partial sums holds: enough to go on with them.
 *
 * @param codec the codec whose basis they are for
 * @param digest SHA-256 of the file's bytes before it, 64 hexadecimal digits
 * @param bytes size of the file
 * @param facts what it was made of and how, for people
 * @param model layout of a cache of the model, without tokens
 * @param layersPerGroup layers that are transformed together; 0 for all of a sub-cache
 * @param tokens tokens of the caches that were added
 * @param caches caches that were added
 * @param weights how much errors harm
 * @param groups the sums, in order
 */
public record PartialDescription(String codec, String digest, long bytes, Map<String, String> facts, CacheLayout model, int layersPerGroup, long tokens, long caches,
        WeightSums weights, List<Group> groups) {
    /**
     * The sums of some layers.
     *
     * @param layers which
     * @param width channels of a token's vector
     * @param rows vectors summed
     * @param asked tokens of which it is known how much attention they were paid
     */
    public record Group(String layers, int width, long rows, long asked) {}
}
