package dev.kvcapsule.serving.safetensors;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.RopeText;
import dev.kvcapsule.serving.safetensors.SafetensorsHeader.Entry;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Turns a header into a cache: layers of equal positions and kind of attention become one sub-cache. */
final class SafetensorsReader {
    private static final int MAX_LAYERS = 4096;

    private final MemorySegment file;
    private final SafetensorsHeader header;
    private final ModelFacts model;

    /** Layers that keep the same tokens; windowed layers apart from global ones, as llama.cpp has them. */
    private record Group(boolean windowed, Positions positions) {}

    SafetensorsReader(MemorySegment file, SafetensorsHeader header, ModelFacts model) {
        this.file = file;
        this.header = header;
        this.model = model;
    }

    KvCache read() throws MalformedDataException {
        TreeMap<Integer, Entry> keys = new TreeMap<>();
        TreeMap<Integer, Entry> values = new TreeMap<>();
        Optional<Entry> tokens = sort(keys, values);
        Map<Group, List<LayerLayout>> groups = new LinkedHashMap<>();
        Map<String, Positions> parsed = new LinkedHashMap<>();
        for (Map.Entry<Integer, Entry> key : keys.entrySet()) {
            int layer = key.getKey();
            int cells = cells(key.getValue());
            Positions positions = positions(layer, cells, parsed);
            LayerLayout layout = layer(layer, key.getValue(), Optional.ofNullable(values.remove(layer)));
            groups.computeIfAbsent(new Group(layout.window() > 0, positions), group -> new ArrayList<>()).add(layout);
        }
        if (!values.isEmpty()) {
            throw at(values.firstEntry().getValue(), "has no key tensor beside it");
        }
        return build(groups, keys, tokens);
    }

    private Optional<Entry> sort(Map<Integer, Entry> keys, Map<Integer, Entry> values) throws MalformedDataException {
        Optional<Entry> tokens = Optional.empty();
        for (Entry entry : header.entries().values()) {
            if (entry.name().equals(SafetensorsFormat.TOKENS)) {
                tokens = Optional.of(entry);
                continue;
            }
            String[] parts = entry.name().split("\\.", -1);
            boolean key = parts.length == 3 && parts[2].equals("key");
            if (parts.length != 3 || !parts[0].equals("layers") || !parts[1].matches("0|[1-9][0-9]{0,3}") || !key && !parts[2].equals("value")
                    || Integer.parseInt(parts[1]) >= MAX_LAYERS) {
                throw at(entry, "is none of layers.<i>.key, layers.<i>.value, tokens");
            }
            (key ? keys : values).put(Integer.parseInt(parts[1]), entry);
        }
        return tokens;
    }

    private MalformedDataException at(Entry entry, String reason) {
        return MalformedDataException.at(header.dataStart() + entry.begin(), "tensor " + entry.name(), reason);
    }

    private static int cells(Entry entry) {
        return entry.shape().size() == 4 && entry.shape().get(2) <= Integer.MAX_VALUE ? entry.shape().get(2).intValue() : -1;
    }

    private DType type(Entry entry) throws MalformedDataException {
        DType type = SafetensorsFormat.type(entry.dtype())
                .orElseThrow(() -> at(entry, "has a dtype that is none of F32, F16, BF16, F8_E4M3"));
        List<Long> shape = entry.shape();
        if (shape.size() != 4 || shape.get(0) != 1 || shape.get(1) < 1 || shape.get(3) < 1 || cells(entry) < 1
                || shape.get(1) > LayerLayout.MAX_WIDTH || shape.get(3) > LayerLayout.MAX_WIDTH
                || shape.get(1) * shape.get(3) > LayerLayout.MAX_WIDTH) {
            throw at(entry, "has a shape that is not [1, KV heads, tokens, channels]");
        }
        long bytes = shape.get(1) * shape.get(2) * shape.get(3) * type.blockBytes();
        if (bytes != entry.end() - entry.begin() || entry.begin() % type.blockBytes() != 0) {
            throw at(entry, "has " + (entry.end() - entry.begin()) + " bytes, its shape needs " + bytes + " at a multiple of " + type.blockBytes());
        }
        return type;
    }

    private LayerLayout layer(int layer, Entry key, Optional<Entry> value) throws MalformedDataException {
        DType keyType = type(key);
        DType valueType = value.isPresent() ? type(value.get()) : DType.F16;
        int heads = key.shape().get(1).intValue();
        int keyDim = key.shape().get(3).intValue();
        int valueDim = value.isPresent() ? value.get().shape().get(3).intValue() : 0;
        if (value.isPresent() && (value.get().shape().get(1) != heads || cells(value.get()) != cells(key))) {
            throw at(value.get(), "has other heads or tokens than the key tensor beside it");
        }
        ModelFacts.Layer known = known(layer);
        if (known.kvHeads() > 0 && known.kvHeads() != heads || known.keyHeadDim() > 0 && known.keyHeadDim() != keyDim) {
            throw at(key, "has " + heads + " heads of " + keyDim + " channels, the model " + known.kvHeads() + " of " + known.keyHeadDim());
        }
        try {
            Optional<String> rope = meta("rope", layer);
            Optional<String> window = meta("window", layer);
            return new LayerLayout(layer, heads, keyDim, valueDim, keyType, valueType, rope.isPresent() ? RopeText.parse(rope.get()) : known.rope(),
                    window.isPresent() ? Integer.parseInt(window.get()) : known.window());
        } catch (IllegalArgumentException e) {
            throw MalformedDataException.at(8, "__metadata__ for layer " + layer, "rope or window: " + e.getMessage());
        }
    }

    private ModelFacts.Layer known(int layer) {
        return layer < model.layers().size() ? model.layers().get(layer) : model.fallback().orElse(ModelFacts.Layer.UNKNOWN);
    }

    private Optional<String> meta(String key, int layer) {
        return Optional.ofNullable(header.metadata().getOrDefault(key + "." + layer, header.metadata().get(key)));
    }

    private Positions positions(int layer, int cells, Map<String, Positions> parsed) throws MalformedDataException {
        Optional<String> text = meta("positions", layer);
        if (cells < 1) {
            return Positions.sequential(0);
        }
        if (text.isEmpty()) {
            return Positions.sequential(cells);
        }
        try {
            Positions positions = parsed.computeIfAbsent(text.get(), PositionText::parse);
            if (positions.cells() != cells) {
                throw new IllegalArgumentException("positions of " + positions.cells() + " tokens, the tensor has " + cells);
            }
            return positions;
        } catch (IllegalArgumentException e) {
            throw MalformedDataException.at(8, "__metadata__ for layer " + layer, e.getMessage());
        }
    }

    private KvCache build(Map<Group, List<LayerLayout>> groups, Map<Integer, Entry> keys, Optional<Entry> tokens) throws MalformedDataException {
        List<SubCache> subCaches = new ArrayList<>();
        long length = 0;
        for (boolean windowed : new boolean[] {false, true}) {
            for (Map.Entry<Group, List<LayerLayout>> group : groups.entrySet()) {
                if (group.getKey().windowed == windowed) {
                    String name = groups.size() == 1 ? "kv" : "kv." + subCaches.size();
                    Positions positions = group.getKey().positions;
                    subCaches.add(new SubCache(name, positions, TensorOrder.HEAD_MAJOR, TensorOrder.HEAD_MAJOR, group.getValue()));
                    long[] runs = positions.runs();
                    length = Math.max(length, positions.cells());
                    for (int r = 0; r < runs.length; r += 2) {
                        length = Math.max(length, runs[r] + runs[r + 1]);
                    }
                }
            }
        }
        Map<String, String> origin = new TreeMap<>();
        origin.put("format", SafetensorsFormat.NAME);
        model.identity().forEach((key, value) -> origin.put("model." + key, value));
        List<CacheLayout.Blob> blobs = new ArrayList<>();
        blobs.add(new CacheLayout.Blob(SafetensorsFormat.HEADER_BLOB, header.dataStart()));
        if (tokens.isPresent()) {
            origin.put(SafetensorsFormat.TOKENS_TYPE, tokenType(tokens.get()));
            blobs.add(new CacheLayout.Blob(SafetensorsFormat.TOKENS_BLOB, tokens.get().end() - tokens.get().begin()));
        }
        KvCache.Builder cache = new KvCache.Builder(new CacheLayout(length, subCaches, blobs, origin));
        for (int s = 0; s < subCaches.size(); s++) {
            for (LayerLayout layer : subCaches.get(s).layers()) {
                cache.add(s, Part.KEY, slice(keys.get(layer.layer())));
                Entry value = header.entries().get("layers." + layer.layer() + ".value");
                cache.add(s, Part.VALUE, value == null ? file.asSlice(0, 0) : slice(value));
            }
        }
        cache.addBlob(file.asSlice(0, header.dataStart()));
        tokens.ifPresent(entry -> cache.addBlob(slice(entry)));
        return cache.build();
    }

    private MemorySegment slice(Entry entry) {
        return file.asSlice(header.dataStart() + entry.begin(), entry.end() - entry.begin());
    }

    private String tokenType(Entry entry) throws MalformedDataException {
        int size = entry.dtype().equals("I64") ? 8 : entry.dtype().equals("I32") ? 4 : 0;
        if (size == 0 || entry.shape().size() != 1 || entry.shape().get(0) != (entry.end() - entry.begin()) / size
                || (entry.end() - entry.begin()) % size != 0 || entry.begin() % size != 0) {
            throw at(entry, "is not an I32 or I64 tensor of one dimension");
        }
        return entry.dtype();
    }
}
