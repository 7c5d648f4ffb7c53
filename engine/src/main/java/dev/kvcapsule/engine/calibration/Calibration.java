package dev.kvcapsule.engine.calibration;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.linalg.ProgressListener;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;
import java.util.Map;

/**
 * A shared basis in the making: {@link #add(KvCache, TokenAttention) add} caches, {@link #solve}, {@link #train} with some of them, or leave the standard tables
 * as they are, {@link #write}. Or add, and {@link #save} for another one to go on. Memory does not depend on the number of tokens. Not thread-safe.
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
     * Goes on with what another calibration of the model has {@linkplain #save saved}, as if its caches had been added here.
     *
     * @param partial the whole file
     * @return the weights that were saved with it
     * @throws dev.kvcapsule.engine.MalformedDataException if it is damaged
     * @throws dev.kvcapsule.engine.CapsuleRefusedException if it is of another model, another number of layers a group, or another version
     * @throws UnsupportedOperationException if this codec's calibration cannot be divided
     */
    default WeightSums add(MemorySegment partial) throws IOException {
        throw new UnsupportedOperationException("this codec's calibration has no partial sums");
    }

    /**
     * Writes what was added, before it is solved, for another calibration to go on with. Nothing can be added afterwards.
     *
     * @param weights how much errors harm, as far as it was seen
     * @param facts what should be told about it, by name
     * @return the file's digest, 64 hexadecimal digits
     * @throws UnsupportedOperationException if this codec's calibration cannot be divided
     */
    default String save(WeightSums weights, Map<String, String> facts, WritableByteChannel out) throws IOException {
        throw new UnsupportedOperationException("this codec's calibration has no partial sums");
    }

    /** Caches that were added, here or where partial sums came from. */
    long caches();

    /**
     * Computes the basis of what was added; nothing can be added after that.
     *
     * @param weights how much errors harm
     * @throws dev.kvcapsule.engine.MalformedDataException if partial sums that were added cannot be those of any caches
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
