package dev.kvcapsule.serving;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.serving.llamacpp.PromptWords;
import dev.kvcapsule.serving.safetensors.SafetensorsFormat;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** The token ids that a cache carries, whatever file it came from. */
public final class PromptTokens {
    private PromptTokens() {}

    /**
     * What tells whether two caches begin with the same tokens: SHA-256 of the ids as 32-bit little-endian words.
     *
     * @param count how many of them, at most all
     * @return 64 hexadecimal digits
     */
    public static String digest(int[] tokens, int count) {
        ByteBuffer words = ByteBuffer.allocate(Math.multiplyExact(Integer.BYTES, count)).order(ByteOrder.LITTLE_ENDIAN);
        words.asIntBuffer().put(tokens, 0, count);
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(words.array()));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }

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
