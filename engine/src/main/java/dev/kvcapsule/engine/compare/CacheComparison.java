package dev.kvcapsule.engine.compare;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Compares two caches of the same structure: what one would have to say in model-free terms about the damage. None of these figures predicts
 * what a model will say as well as asking the model; see docs/fidelity.md.
 *
 * @param layers by sub-cache, then layer
 * @param keys all K together
 * @param values all V together
 */
public record CacheComparison(List<LayerDifference> layers, TensorDifference keys, TensorDifference values) {
    private static final int BLOCK_TOKENS = 256;

    /**
     * @param original what is right
     * @param changed what is judged
     * @throws IllegalArgumentException if the caches differ in structure, saying in what
     */
    public static CacheComparison of(KvCache original, KvCache changed, Kernels kernels, Progress progress) {
        requireSameStructure(original.layout(), changed.layout());
        List<LayerDifference> layers = new ArrayList<>();
        TensorDifference keys = new TensorDifference();
        TensorDifference values = new TensorDifference();
        try (Reader a = new Reader(original, kernels); Reader b = new Reader(changed, kernels)) {
            long done = 0;
            for (int s = 0; s < original.layout().subCaches().size(); s++) {
                SubCache sub = original.layout().subCaches().get(s);
                for (int l = 0; l < sub.layers().size(); l++) {
                    LayerDifference difference = layer(a, b, s, sub, l);
                    layers.add(difference);
                    keys.add(difference.key());
                    values.add(difference.value());
                    done += (sub.layers().get(l).rowBytes(Part.KEY) + sub.layers().get(l).rowBytes(Part.VALUE)) * sub.cells();
                    progress.update(done, original.layout().tensorBytes());
                }
            }
        }
        return new CacheComparison(layers, keys, values);
    }

    private static LayerDifference layer(Reader a, Reader b, int s, SubCache sub, int l) {
        LayerLayout layer = sub.layers().get(l);
        TensorDifference key = new TensorDifference();
        TensorDifference value = new TensorDifference();
        AttentionProbe probe = null;
        for (int first = 0; first < sub.cells(); first += BLOCK_TOKENS) {
            Tile tile = new Tile(s, 2 * l, 2, first, Math.min(BLOCK_TOKENS, sub.cells() - first), Region.BODY, true);
            a.read(tile);
            b.read(tile);
            for (int t = 0; t < tile.tokens(); t++) {
                key.add(first + t, a.keys, b.keys, t * layer.width(Part.KEY), layer.width(Part.KEY));
                if (layer.has(Part.VALUE)) {
                    value.add(first + t, a.values, b.values, t * layer.width(Part.VALUE), layer.width(Part.VALUE));
                }
            }
            if (layer.has(Part.VALUE)) {
                if (probe == null) {
                    probe = new AttentionProbe(layer.kvHeads(), layer.keyHeadDim(), layer.valueHeadDim(), a.keys, tile.tokens());
                }
                probe.add(a.keys, a.values, b.keys, b.values, tile.tokens());
            }
        }
        return new LayerDifference(sub.name(), layer.layer(), key, value, probe == null ? Double.NaN : probe.relativeError());
    }

    private static void requireSameStructure(CacheLayout a, CacheLayout b) {
        if (a.subCaches().size() != b.subCaches().size()) {
            throw new IllegalArgumentException("one has " + a.subCaches().size() + " attention caches, the other " + b.subCaches().size());
        }
        for (int s = 0; s < a.subCaches().size(); s++) {
            SubCache x = a.subCaches().get(s);
            SubCache y = b.subCaches().get(s);
            if (x.cells() != y.cells() || x.layers().size() != y.layers().size()) {
                throw new IllegalArgumentException("one has " + x.layers().size() + " layers of " + x.cells() + " tokens, the other " + y.layers().size() + " of "
                        + y.cells());
            }
            for (int l = 0; l < x.layers().size(); l++) {
                for (Part part : Part.values()) {
                    if (x.layers().get(l).width(part) != y.layers().get(l).width(part)) {
                        throw new IllegalArgumentException(part.letter() + " of layer " + x.layers().get(l).layer() + " has " + x.layers().get(l).width(part)
                                + " channels in one, " + y.layers().get(l).width(part) + " in the other");
                    }
                }
            }
        }
    }

    /** Reads tiles of one layer as floats on the heap. */
    private static final class Reader implements AutoCloseable {
        private final TileInput input;
        private final Kernels kernels;
        private final Scratch scratch = new Scratch();
        private final GrowingBuffer floats = new GrowingBuffer();
        private float[] keys = new float[0];
        private float[] values = new float[0];

        Reader(KvCache cache, Kernels kernels) {
            this.input = new TileInput(cache);
            this.kernels = kernels;
        }

        void read(Tile tile) {
            for (TileTensor tensor : input.read(tile, scratch)) {
                if (tensor.part() == Part.KEY) {
                    keys = load(tensor, keys);
                } else {
                    values = load(tensor, values);
                }
            }
        }

        private float[] load(TileTensor tensor, float[] array) {
            int elements = Math.toIntExact(tensor.elements());
            MemorySegment memory = floats.atLeast(tensor.elements() * Float.BYTES);
            RowFloats.toF32(kernels, tensor.type(), tensor.rows(), elements, memory);
            float[] out = array.length < elements ? new float[elements] : array;
            MemorySegment.copy(memory, ValueLayout.JAVA_FLOAT, 0, out, 0, elements);
            return out;
        }

        @Override
        public void close() {
            scratch.close();
            floats.close();
        }
    }
}
