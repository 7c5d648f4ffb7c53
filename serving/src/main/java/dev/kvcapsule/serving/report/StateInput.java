package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.PromptTokens;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A state that codecs are tried on.
 *
 * @param name what it is called in the report
 * @param bytes bytes of its file
 * @param cache its cache, open as long as it is measured
 * @param facts what was known of its model when the cache was read
 */
public record StateInput(String name, long bytes, KvCache cache, ModelFacts facts) {
    /** Tokens that it was made from; none if it does not say. */
    int[] promptTokens() throws MalformedDataException {
        List<MemorySegment> blobs = new ArrayList<>();
        for (int b = 0; b < cache.layout().blobs().size(); b++) {
            blobs.add(cache.blob(b));
        }
        return PromptTokens.of(cache.layout(), blobs).orElse(new int[0]);
    }
}
