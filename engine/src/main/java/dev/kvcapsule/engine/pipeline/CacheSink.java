package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.Part;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Where decoded tensors go: memory or a file. Called from many threads at once, never for the same bytes. */
public interface CacheSink {
    /** The cache that is being filled; its sub-caches may hold fewer tokens than the capsule, from the first one on. */
    CacheLayout layout();

    /**
     * The memory of a tensor that can be written in place, which saves a copy.
     *
     * @param sub index of the sub-cache
     * @param layer index of the layer within it
     * @return null memory if it can only be {@linkplain #write written}
     */
    MemorySegment inPlace(int sub, int layer, Part part);

    /**
     * Takes bytes of a tensor.
     *
     * @param offset where they belong within the tensor
     */
    void write(int sub, int layer, Part part, long offset, MemorySegment bytes) throws IOException;

    /** Whether it is in a device's memory, and takes and gives segments of that. */
    default boolean isDevice() {
        return false;
    }

    /** Forgets what was written: the capsule has been refused. Zeroes memory and files; called when no thread writes any more. */
    void discard() throws IOException;

    /** A sink for what is decoded only in order to be checked. @param layout of the cache that it would be */
    static CacheSink nowhere(CacheLayout layout) {
        return new Nowhere(layout);
    }

    /** A sink that fills a cache in memory. */
    static CacheSink of(KvCache cache) {
        return new CacheSink() {
            @Override
            public CacheLayout layout() {
                return cache.layout();
            }

            @Override
            public MemorySegment inPlace(int sub, int layer, Part part) {
                return cache.tensor(sub, layer, part);
            }

            @Override
            public void write(int sub, int layer, Part part, long offset, MemorySegment bytes) {
                MemorySegment.copy(bytes, 0, cache.tensor(sub, layer, part), offset, bytes.byteSize());
            }

            @Override
            public void discard() {
                for (int sub = 0; sub < cache.layout().subCaches().size(); sub++) {
                    for (int layer = 0; layer < cache.layout().subCaches().get(sub).layers().size(); layer++) {
                        for (Part part : Part.values()) {
                            cache.tensor(sub, layer, part).fill((byte) 0);
                        }
                    }
                }
            }
        };
    }
}
