package dev.kvcapsule.serving;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.serving.llamacpp.PromptWords;
import dev.kvcapsule.serving.safetensors.SafetensorsFormat;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The token ids that a cache carries, whatever file it came from. */
public final class PromptTokens {
    private PromptTokens() {}

    /** The token ids that a cache in memory carries; as {@link #of(CacheLayout, List)}. */
    public static Optional<int[]> of(KvCache cache) throws MalformedDataException {
        List<MemorySegment> blobs = new ArrayList<>();
        for (int b = 0; b < cache.layout().blobs().size(); b++) {
            blobs.add(cache.blob(b));
        }
        return of(cache.layout(), blobs);
    }

    /**
     * @param blobs the contents of the layout's blobs, in layout order
     * @return the ids from the first token on, -1 within images and other media; empty if the cache carries none
     * @throws MalformedDataException if the blob does not hold what its format says
     */
    public static Optional<int[]> of(CacheLayout layout, List<MemorySegment> blobs) throws MalformedDataException {
        for (int b = 0; b < layout.blobs().size(); b++) {
            switch (layout.blobs().get(b).name()) {
                case PromptWords.BLOB -> {
                    return Optional.of(PromptWords.of(blobs.get(b)).toArray());
                }
                case SafetensorsFormat.TOKENS_BLOB -> {
                    return Optional.of(SafetensorsFormat.tokenIds(layout, blobs.get(b)));
                }
                default -> {
                }
            }
        }
        return Optional.empty();
    }
}
