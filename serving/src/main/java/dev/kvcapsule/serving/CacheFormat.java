package dev.kvcapsule.serving;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** A file format that holds one KV cache. Implementations are stateless. */
public interface CacheFormat {

    /** The name that options and manifests use: "ggsq", "ggsn", "buffer", "safetensors". */
    String name();

    /** Whether a file that begins with these bytes is of this format. Never throws, however short the file. */
    boolean recognises(MemorySegment file);

    /**
     * Reads a cache in place: every tensor of the result is a slice of {@code file}.
     *
     * @param file the whole file, native (mapped) memory
     * @param model what is known of the model from elsewhere; the result's layers carry it
     * @throws MalformedDataException if the file does not parse to exactly its end, naming offset, field and what was expected
     */
    KvCache read(MemorySegment file, ModelFacts model) throws MalformedDataException;

    /**
     * Plans a file of this format for a cache that came out of a capsule.
     *
     * @param layout the cache as it was read, by this format or another one
     * @param blobs the contents of its blobs, in layout order
     * @param target which dialect and how many tokens to write
     * @throws UnsupportedOperationException if this format cannot hold that cache, with the reason
     * @throws MalformedDataException if a blob does not hold what its format says
     */
    CacheImage plan(CacheLayout layout, List<MemorySegment> blobs, CacheTarget target) throws MalformedDataException;
}
