package dev.kvcapsule.engine.calibration;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.linalg.ProgressListener;
import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.util.Map;

/**
 * A shared basis in the making: {@link #add} caches, {@link #solve}, {@link #train} with some of them, {@link #write}. Memory does not depend on the number
 * of tokens. Not thread-safe.
 */
public interface Calibration extends AutoCloseable {
    /**
     * Learns from a cache.
     *
     * @param attention how much attention its tokens were paid, as far as that is known
     * @throws dev.kvcapsule.engine.MalformedDataException if it is of another model than the first
     */
    void add(KvCache cache, TokenAttention attention) throws IOException;

    /** Learns from a cache of whose attention nothing is known. */
    default void add(KvCache cache) throws IOException {
        add(cache, TokenAttention.NONE);
    }

    /**
     * Computes the basis of what was added; nothing can be added after that.
     *
     * @param weights how much errors harm
     */
    void solve(AttentionWeights weights, ProgressListener progress) throws IOException;

    /** Learns the statistics of coefficients, after {@link #solve}, from a cache that was added or another one of the model. */
    void train(KvCache cache) throws IOException;

    /**
     * Writes the basis file.
     *
     * @param facts what should be told about it, by name
     * @return its digest, 64 hexadecimal digits
     */
    String write(Map<String, String> facts, WritableByteChannel out) throws IOException;

    @Override
    void close();
}
