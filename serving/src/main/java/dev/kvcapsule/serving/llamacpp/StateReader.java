package dev.kvcapsule.serving.llamacpp;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.llamacpp.ParsedState.Block;
import dev.kvcapsule.serving.llamacpp.ParsedState.Layer;
import dev.kvcapsule.serving.llamacpp.ParsedState.Stream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Turns a parsed state into a cache: slices of the file under a layout that carries the model facts. */
final class StateReader {
    /** Since 2026-04 llama.cpp rotates rows of quantized caches by Hadamard matrices of at least this size, and does not record it. */
    private static final int HADAMARD_CHANNELS = 64;

    private final MemorySegment file;
    private final ModelFacts facts;
    private final Map<String, String> origin;
    private final List<SubCache> subCaches = new ArrayList<>();
    private final List<Stream> streams = new ArrayList<>();
    private final List<CacheLayout.Blob> blobs = new ArrayList<>();
    private final List<MemorySegment> blobBytes = new ArrayList<>();
    private long tokens;

    private StateReader(MemorySegment file, ModelFacts facts, Map<String, String> origin) {
        this.file = file;
        this.facts = facts;
        this.origin = new TreeMap<>(origin);
        Origin.putIdentity(this.origin, facts.identity());
    }

    /**
     * @param prompt the prompt words; empty if the envelope has none
     * @param origin what the envelope says
     * @throws Broken if the file contradicts the model facts
     */
    static KvCache read(MemorySegment file, ParsedState state, ModelFacts facts, MemorySegment prompt, Map<String, String> origin) throws Broken {
        return new StateReader(file, facts, origin).read(state, prompt);
    }

    private KvCache read(ParsedState state, MemorySegment prompt) throws Broken {
        addBlob(Origin.PROMPT_BLOB, prompt);
        List<String> blocks = new ArrayList<>();
        for (int b = 0; b < state.blocks().size(); b++) {
            blocks.add(state.blocks().get(b).name());
            addBlock(state.blocks().get(b), b);
        }
        if (state.recurrent().isPresent()) {
            ParsedState.Recurrent recurrent = state.recurrent().get();
            blocks.add(Origin.RECURRENT_BLOCK);
            addBlob(Origin.RECURRENT_BLOB, file.asSlice(recurrent.offset(), recurrent.bytes()));
            tokens = Math.max(tokens, recurrent.lastPosition() + 1L);
        }
        origin.put(Origin.BLOCKS, String.join(",", blocks));

        KvCache.Builder cache = new KvCache.Builder(new CacheLayout(tokens, subCaches, blobs, origin));
        for (int s = 0; s < subCaches.size(); s++) {
            SubCache sub = subCaches.get(s);
            for (int l = 0; l < sub.layers().size(); l++) {
                Layer layer = streams.get(s).layers().get(l);
                LayerLayout layout = sub.layers().get(l);
                cache.add(s, Part.KEY, file.asSlice(layer.keyOffset(), layout.rowBytes(Part.KEY) * sub.cells()));
                cache.add(s, Part.VALUE, file.asSlice(layer.valueOffset(), layout.rowBytes(Part.VALUE) * sub.cells()));
            }
        }
        blobBytes.forEach(cache::addBlob);
        return cache.build();
    }

    private void addBlob(String name, MemorySegment bytes) {
        if (bytes.byteSize() > 0) {
            blobs.add(new CacheLayout.Blob(name, bytes.byteSize()));
            blobBytes.add(bytes);
        }
    }

    private void addBlock(Block block, int blockIndex) throws Broken {
        int count = block.streams().size();
        if (count != 1) {
            origin.put(Origin.STREAMS + block.name(), Integer.toString(count));
        }
        for (int i = 0; i < count; i++) {
            Stream stream = block.streams().get(i);
            if (stream.cells() > 0) {
                addStream(block.name(), blockIndex, Origin.subCache(block.name(), count, i), stream);
            }
        }
    }

    private void addStream(String block, int blockIndex, String name, Stream stream) throws Broken {
        MemorySegment records = file.asSlice(stream.cellsOffset(), stream.cellsBytes());
        Cells.Summary cells = Cells.summarize(records, stream.cells(), stream.extBytes());
        if (cells.plain()) {
            origin.put(Origin.SEQUENCE + name, Integer.toString(cells.sequence()));
        } else {
            addBlob(Origin.CELLS_BLOB + name, records);
        }
        if (stream.extBytes() != 0) {
            origin.put(Origin.EXTENSION + name, Integer.toString(stream.extBytes()));
        }
        long last = 0;
        long[] runs = cells.positions().runs();
        for (int r = 0; r < runs.length; r += 2) {
            last = Math.max(last, runs[r] + runs[r + 1]);
        }
        tokens = Math.max(tokens, Math.max(last, stream.cells()));

        List<Placed> places = places(block, blockIndex, stream);
        List<LayerLayout> layers = new ArrayList<>();
        for (int l = 0; l < places.size(); l++) {
            layers.add(layer(stream.layers().get(l), places.get(l), cells.spatial(), name));
        }
        subCaches.add(new SubCache(name, cells.positions(), TensorOrder.TOKEN_MAJOR,
                stream.transposed() ? TensorOrder.CHANNEL_MAJOR : TensorOrder.TOKEN_MAJOR, layers));
        streams.add(stream);
    }

    /** A file layer's number in the model and what is known of it. */
    private record Placed(int number, ModelFacts.Layer facts) {}

    /** Which model layers a block holds: attention layers in model order, split by window where there are two caches. */
    private List<Placed> places(String block, int blockIndex, Stream stream) throws Broken {
        int count = stream.layers().size();
        List<Placed> places = new ArrayList<>();
        if (facts.layers().isEmpty()) {
            Optional<ModelFacts.Layer> known = block.equals("swa") ? facts.localFallback() : facts.fallback();
            ModelFacts.Layer layer = known.orElse(ModelFacts.Layer.UNKNOWN);
            if (block.equals("base")) {
                layer = new ModelFacts.Layer(layer.kvHeads(), layer.keyHeadDim(), layer.valueHeadDim(), layer.rope(), 0, true);
            }
            // Without a model, layers are numbered in file order.
            int first = subCaches.isEmpty() || !block.equals("swa") ? 0 : subCaches.getLast().layers().size();
            for (int l = 0; l < count; l++) {
                places.add(new Placed(first + l, layer));
            }
            return places;
        }
        boolean split = facts.memory() == ModelFacts.Memory.ISWA || facts.memory() == ModelFacts.Memory.HYBRID_ISWA;
        for (int l = 0; l < facts.layers().size(); l++) {
            ModelFacts.Layer layer = facts.layers().get(l);
            if (layer.attention() && (!split || block.equals("swa") == layer.window() > 0)) {
                places.add(new Placed(l, layer));
            }
        }
        if (places.size() == count && (split || blockIndex == 0)) {
            return places;
        }
        if (facts.memory() != ModelFacts.Memory.UNKNOWN) {
            throw new Broken(stream.cellsOffset() + stream.cellsBytes() + 4, "n_layer of cache '" + block + "'",
                    "is " + count + ", the model has " + places.size() + " such layers");
        }
        // The model's windows are not known, or this is an indexer beside the attention cache: its layers cannot be told.
        places.clear();
        for (int l = 0; l < count; l++) {
            places.add(new Placed(l, ModelFacts.Layer.UNKNOWN));
        }
        return places;
    }

    private LayerLayout layer(Layer layer, Placed placed, boolean spatial, String cache) throws Broken {
        ModelFacts.Layer known = placed.facts();
        String where = " of layer " + placed.number() + " in cache '" + cache + "'";
        int heads = Math.max(1, known.kvHeads());
        int keyDim = headDim(layer.keyWidth(), heads, known.keyHeadDim(), layer.keyOffset(), "K row" + where);
        int valueDim = 0;
        if (layer.valueWidth() > 0) {
            valueDim = headDim(layer.valueWidth(), heads, known.valueHeadDim(), layer.valueOffset(), "V row" + where);
        }
        boolean rotatedKey = hadamard(Part.KEY, layer.keyType(), keyDim);
        if (layer.valueWidth() > 0) {
            hadamard(Part.VALUE, layer.valueType(), valueDim);
        }
        // K under a Hadamard matrix, or with the three positions of an image, is not what one rotation by position gives.
        Optional<Rope> rope = rotatedKey || spatial ? Optional.empty() : known.rope();
        if (rope.isPresent() && rope.get().dims() > keyDim) {
            throw new Broken(layer.keyOffset(), "K row" + where, "has heads of " + keyDim + " channels, the model rotates " + rope.get().dims());
        }
        return new LayerLayout(placed.number(), heads, keyDim, valueDim, layer.keyType(), layer.valueType(), rope, known.window());
    }

    private static int headDim(int width, int heads, int known, long offset, String field) throws Broken {
        if (known == ModelFacts.NO_VALUE || width % heads != 0 || known > 0 && width != heads * (long) known) {
            String expected = known == ModelFacts.NO_VALUE ? "no such tensor" : heads + " heads" + (known > 0 ? " of " + known : " of one size");
            throw new Broken(offset, field, "has " + width + " channels, the model has " + expected);
        }
        return width / heads;
    }

    private boolean hadamard(Part part, DType type, int headDim) {
        boolean possible = !type.isScalar() && headDim % HADAMARD_CHANNELS == 0;
        if (possible) {
            origin.put(Origin.HADAMARD + part.letter(), "possible");
        }
        return possible;
    }
}
