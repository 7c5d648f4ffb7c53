package dev.kvcapsule.engine.cache;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * Everything about a KV cache but its numbers: enough to rebuild the file or the memory it came from once the numbers are back.
 *
 * @param tokens tokens of the sequence (what a prefill would have to evaluate)
 * @param subCaches where the tensors are
 * @param blobs byte strings of the source format that are carried unchanged (prompt words, cell metadata, recurrent state)
 * @param origin facts of the source format, by name, such as its name and version
 */
public record CacheLayout(long tokens, List<SubCache> subCaches, List<Blob> blobs, Map<String, String> origin) {

    /**
     * A byte string carried unchanged.
     *
     * @param name its name in the source format
     * @param bytes its length
     */
    public record Blob(String name, long bytes) {
        /** @throws IllegalArgumentException if the length is negative */
        public Blob {
            Objects.requireNonNull(name);
            if (bytes < 0) {
                throw new IllegalArgumentException("blob " + name + " has " + bytes + " bytes");
            }
        }
    }

    /** Copies the collections. */
    public CacheLayout {
        subCaches = List.copyOf(subCaches);
        blobs = List.copyOf(blobs);
        origin = Collections.unmodifiableMap(new TreeMap<>(origin));
        if (tokens < 0) {
            throw new IllegalArgumentException("a cache of " + tokens + " tokens");
        }
    }

    /** Bytes of all tensors. */
    public long tensorBytes() {
        long bytes = 0;
        for (SubCache sub : subCaches) {
            bytes = Math.addExact(bytes, sub.bytes());
        }
        return bytes;
    }

    /** Bytes of all blobs. */
    public long blobBytes() {
        long bytes = 0;
        for (Blob blob : blobs) {
            bytes = Math.addExact(bytes, blob.bytes());
        }
        return bytes;
    }

    /** Attention layers over all sub-caches. */
    public int layers() {
        return subCaches.stream().mapToInt(sub -> sub.layers().size()).sum();
    }
}
