package dev.kvcapsule.serving;

import dev.kvcapsule.engine.cache.KvCache;
import java.lang.foreign.MemorySegment;

/** A cache file whose size and structure are known and whose tensors are not there yet. */
public interface CacheImage {
    /** Size of the whole file. */
    long bytes();

    /**
     * Writes everything but the tensors.
     *
     * @param out native memory of exactly {@link #bytes()} bytes, zeroed
     * @return the cache whose tensors are slices of {@code out}, to be filled by a decoder
     */
    KvCache write(MemorySegment out);
}
