package dev.kvcapsule.engine.cache;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A KV cache in off-heap memory: a {@link CacheLayout} and one native segment a tensor and a blob, usually slices of a mapped file. The
 * segments' arena decides how long they live; use after it is closed throws {@link IllegalStateException}.
 */
public final class KvCache {
    private final CacheLayout layout;
    private final List<List<MemorySegment>> keys;
    private final List<List<MemorySegment>> values;
    private final List<MemorySegment> blobs;

    private KvCache(Builder builder) {
        this.layout = builder.layout;
        this.keys = builder.keys.stream().map(List::copyOf).toList();
        this.values = builder.values.stream().map(List::copyOf).toList();
        this.blobs = List.copyOf(builder.blobs);
    }

    /** What the cache consists of. */
    public CacheLayout layout() {
        return layout;
    }

    /**
     * One tensor, [cell][channel] row by row, or [channel][cell] for the values of a sub-cache that stores them transposed.
     *
     * @param sub index of the sub-cache
     * @param layer index of the layer within it
     * @return its bytes; empty if the layer has no such tensor
     */
    public MemorySegment tensor(int sub, int layer, Part part) {
        return (part == Part.KEY ? keys : values).get(sub).get(layer);
    }

    /** One blob, by its index in the layout. */
    public MemorySegment blob(int index) {
        return blobs.get(index);
    }

    /** Collects the segments of a cache whose layout is known, in layout order. */
    public static final class Builder {
        private final CacheLayout layout;
        private final List<List<MemorySegment>> keys = new ArrayList<>();
        private final List<List<MemorySegment>> values = new ArrayList<>();
        private final List<MemorySegment> blobs = new ArrayList<>();

        /** Starts with no segment. */
        public Builder(CacheLayout layout) {
            this.layout = layout;
            for (int i = 0; i < layout.subCaches().size(); i++) {
                keys.add(new ArrayList<>());
                values.add(new ArrayList<>());
            }
        }

        /** Adds the next tensor of that part to a sub-cache; layers come in order, a layer without V gets an empty segment. */
        public Builder add(int sub, Part part, MemorySegment tensor) {
            (part == Part.KEY ? keys : values).get(sub).add(tensor);
            return this;
        }

        /** Adds the next blob. */
        public Builder addBlob(MemorySegment blob) {
            blobs.add(blob);
            return this;
        }

        /** @throws IllegalArgumentException if a segment is missing, not native, or not of the size the layout says */
        public KvCache build() {
            for (int s = 0; s < layout.subCaches().size(); s++) {
                SubCache sub = layout.subCaches().get(s);
                for (Part part : Part.values()) {
                    List<MemorySegment> tensors = (part == Part.KEY ? keys : values).get(s);
                    if (tensors.size() != sub.layers().size()) {
                        throw new IllegalArgumentException(sub.name() + " has " + tensors.size() + " " + part.letter() + " tensors for "
                                + sub.layers().size() + " layers");
                    }
                    for (int l = 0; l < tensors.size(); l++) {
                        check(tensors.get(l), sub.layers().get(l).rowBytes(part) * sub.cells(), part.letter() + " of layer " + l);
                    }
                }
            }
            if (blobs.size() != layout.blobs().size()) {
                throw new IllegalArgumentException(blobs.size() + " blobs for a layout of " + layout.blobs().size());
            }
            for (int b = 0; b < blobs.size(); b++) {
                check(blobs.get(b), layout.blobs().get(b).bytes(), "blob " + layout.blobs().get(b).name());
            }
            return new KvCache(this);
        }

        private static void check(MemorySegment segment, long bytes, String what) {
            if (segment.byteSize() != bytes) {
                throw new IllegalArgumentException(what + " has " + segment.byteSize() + " bytes instead of " + bytes);
            }
            if (bytes > 0 && !segment.isNative()) {
                throw new IllegalArgumentException(what + " is not off-heap");
            }
        }
    }
}
