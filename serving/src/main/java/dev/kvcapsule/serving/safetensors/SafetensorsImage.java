package dev.kvcapsule.serving.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.serving.CacheImage;
import dev.kvcapsule.serving.PrefixCut;
import dev.kvcapsule.serving.PromptTokens;
import dev.kvcapsule.serving.RopeText;
import dev.kvcapsule.serving.safetensors.SafetensorsHeader.Entry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;

/** A safetensors file, written around the places of its tensors: with the header it came with, or with one made from the layout. */
final class SafetensorsImage implements CacheImage {
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final CacheLayout layout;
    private final MemorySegment header;
    private final Map<String, Entry> entries;
    private final MemorySegment tokens;
    private final long bytes;

    /**
     * @param layout the file's cache
     * @param header the length and the JSON
     * @param entries tensors by name, matching the layout
     * @param tokens the bytes of the tensor of token ids; empty if there is none
     */
    private SafetensorsImage(CacheLayout layout, MemorySegment header, Map<String, Entry> entries, MemorySegment tokens) {
        this.layout = layout;
        this.header = header;
        this.entries = entries;
        this.tokens = tokens;
        this.bytes = Math.addExact(header.byteSize(), Math.addExact(layout.tensorBytes(), tokens.byteSize()));
    }

    static SafetensorsImage plan(CacheLayout layout, List<MemorySegment> blobs, OptionalInt target) throws MalformedDataException {
        OptionalInt cut = PrefixCut.length(layout.tokens(), target);
        Map<String, MemorySegment> byName = new HashMap<>();
        if (blobs.size() != layout.blobs().size()) {
            throw new MalformedDataException(blobs.size() + " blobs for a layout of " + layout.blobs().size());
        }
        for (int b = 0; b < blobs.size(); b++) {
            String name = layout.blobs().get(b).name();
            if (name.startsWith("llamacpp.cells.") || name.equals("llamacpp.recurrent")) {
                throw new UnsupportedOperationException("safetensors has no place for '" + name
                        + "' of the llama.cpp state (a recurrent state, M-RoPE positions or several sequences)");
            }
            byName.put(name, blobs.get(b));
        }
        try {
            MemorySegment header = byName.get(SafetensorsFormat.HEADER_BLOB);
            if (header != null && cut.isEmpty()) {
                return verbatim(layout, header, byName.getOrDefault(SafetensorsFormat.TOKENS_BLOB, MemorySegment.NULL));
            }
            Map<String, String> metadata = header == null ? Map.of() : SafetensorsHeader.read(header, dataBytes(layout, byName)).metadata();
            int[] tokens = PromptTokens.of(layout, blobs).orElse(new int[0]);
            return made(layout, metadata, tokens, cut);
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw new MalformedDataException("the cache's layout: " + e.getMessage());
        }
    }

    private static long dataBytes(CacheLayout layout, Map<String, MemorySegment> blobs) {
        return Math.addExact(layout.tensorBytes(), blobs.getOrDefault(SafetensorsFormat.TOKENS_BLOB, MemorySegment.NULL).byteSize());
    }

    private static SafetensorsImage verbatim(CacheLayout layout, MemorySegment header, MemorySegment tokens) throws MalformedDataException {
        SafetensorsHeader parsed = SafetensorsHeader.read(header, Math.addExact(layout.tensorBytes(), tokens.byteSize()));
        int expected = tokens.byteSize() > 0 ? 1 : 0;
        for (SubCache sub : layout.subCaches()) {
            for (LayerLayout layer : sub.layers()) {
                for (Part part : Part.values()) {
                    Entry entry = parsed.entries().get(name(layer, part));
                    if (layer.has(part) != (entry != null) || entry != null && entry.end() - entry.begin() != layer.rowBytes(part) * sub.cells()) {
                        throw new MalformedDataException("blob " + SafetensorsFormat.HEADER_BLOB + " and the layout disagree about "
                                + name(layer, part));
                    }
                    expected += entry != null ? 1 : 0;
                }
            }
        }
        Entry ids = parsed.entries().get(SafetensorsFormat.TOKENS);
        if (parsed.entries().size() != expected + (ids != null && tokens.byteSize() == 0 ? 1 : 0) || parsed.dataStart() != header.byteSize()
                || (ids == null ? 0 : ids.end() - ids.begin()) != tokens.byteSize()) {
            throw new MalformedDataException("blob " + SafetensorsFormat.HEADER_BLOB + " and the layout disagree about the tensors there are");
        }
        return new SafetensorsImage(layout, header, parsed.entries(), tokens);
    }

    static String name(LayerLayout layer, Part part) {
        return "layers." + layer.layer() + (part == Part.KEY ? ".key" : ".value");
    }

    private static SafetensorsImage made(CacheLayout layout, Map<String, String> metadata, int[] ids, OptionalInt cut) throws MalformedDataException {
        List<SubCache> subCaches = new ArrayList<>();
        List<Entry> entries = new ArrayList<>();
        Map<String, Integer> sizes = new HashMap<>();
        for (SubCache sub : layout.subCaches()) {
            if (sub.cells() == 0) {
                continue;
            }
            SubCache kept = cut.isPresent() ? PrefixCut.of(sub, cut.getAsInt()) : sub;
            kept = new SubCache(sub.name(), kept.positions(), TensorOrder.HEAD_MAJOR, TensorOrder.HEAD_MAJOR, sub.layers());
            subCaches.add(kept);
            for (LayerLayout layer : kept.layers()) {
                for (Part part : Part.values()) {
                    if (layer.has(part)) {
                        String dtype = SafetensorsFormat.dtype(layer.type(part));
                        entries.add(new Entry(name(layer, part), dtype,
                                List.of(1L, (long) layer.kvHeads(), (long) kept.cells(), (long) layer.headDim(part)), 0,
                                layer.rowBytes(part) * kept.cells()));
                        if (sizes.put(name(layer, part), layer.type(part).blockBytes()) != null) {
                            throw new UnsupportedOperationException("layer " + layer.layer()
                                    + " has two attention caches: safetensors has names for one");
                        }
                    }
                }
            }
        }
        MemorySegment tokens = MemorySegment.NULL;
        if (ids.length > 0) {
            int count = cut.isPresent() ? Math.min(cut.getAsInt(), ids.length) : ids.length;
            tokens = Arena.ofAuto().allocateFrom(I32, Arrays.copyOf(ids, count));
            entries.add(new Entry(SafetensorsFormat.TOKENS, "I32", List.of((long) count), 0, tokens.byteSize()));
            sizes.put(SafetensorsFormat.TOKENS, Integer.BYTES);
        }
        // Wide elements first, so that every tensor is aligned to its element size without gaps.
        entries.sort(Comparator.comparingInt((Entry entry) -> sizes.get(entry.name())).reversed());
        Map<String, Entry> placed = new LinkedHashMap<>();
        long end = 0;
        for (Entry entry : entries) {
            placed.put(entry.name(), new Entry(entry.name(), entry.dtype(), entry.shape(), end, Math.addExact(end, entry.end())));
            end += entry.end();
        }
        MemorySegment header = json(placed, metadata(subCaches, metadata, layout));
        List<CacheLayout.Blob> blobs = new ArrayList<>(List.of(new CacheLayout.Blob(SafetensorsFormat.HEADER_BLOB, header.byteSize())));
        Map<String, String> origin = new TreeMap<>();
        layout.origin().forEach((key, value) -> {
            if (key.startsWith("model.")) {
                origin.put(key, value);
            }
        });
        origin.put("format", SafetensorsFormat.NAME);
        if (tokens.byteSize() > 0) {
            blobs.add(new CacheLayout.Blob(SafetensorsFormat.TOKENS_BLOB, tokens.byteSize()));
            origin.put(SafetensorsFormat.TOKENS_TYPE, "I32");
        }
        long length = cut.isPresent() ? cut.getAsInt() : layout.tokens();
        return new SafetensorsImage(new CacheLayout(length, subCaches, blobs, origin), header, placed, tokens);
    }

    /** What the tensors do not say; facts of the file the cache came from are kept, but for those that are said anew. */
    private static Map<String, String> metadata(List<SubCache> subCaches, Map<String, String> old, CacheLayout layout) {
        Map<String, String> metadata = new TreeMap<>();
        old.forEach((key, value) -> {
            if (!key.matches("(rope|window|positions)(\\.[0-9]+)?")) {
                metadata.put(key, value);
            }
        });
        layout.origin().forEach((key, value) -> {
            if (key.startsWith("model.")) {
                metadata.put(key, value);
            }
        });
        for (SubCache sub : subCaches) {
            boolean sequential = sub.positions().equals(Positions.sequential(sub.cells()));
            for (LayerLayout layer : sub.layers()) {
                layer.rope().ifPresent(rope -> metadata.put("rope." + layer.layer(), RopeText.format(rope)));
                if (layer.window() > 0) {
                    metadata.put("window." + layer.layer(), Integer.toString(layer.window()));
                }
                if (!sequential) {
                    metadata.put("positions." + layer.layer(), PositionText.format(sub.positions()));
                }
            }
        }
        return metadata;
    }

    private static MemorySegment json(Map<String, Entry> entries, Map<String, String> metadata) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectFieldStart("__metadata__");
                for (Map.Entry<String, String> pair : metadata.entrySet()) {
                    json.writeStringField(pair.getKey(), pair.getValue());
                }
                json.writeEndObject();
            }
            for (Entry entry : entries.values()) {
                json.writeObjectFieldStart(entry.name());
                json.writeStringField("dtype", entry.dtype());
                json.writeFieldName("shape");
                json.writeArray(entry.shape().stream().mapToLong(Long::longValue).toArray(), 0, entry.shape().size());
                json.writeFieldName("data_offsets");
                json.writeArray(new long[] {entry.begin(), entry.end()}, 0, 2);
                json.writeEndObject();
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        // Trailing spaces keep the data aligned to 8 bytes.
        while (bytes.size() % 8 != 0) {
            bytes.write(' ');
        }
        if (bytes.size() > SafetensorsHeader.MAX_BYTES) {
            throw new UnsupportedOperationException("the safetensors header would have " + bytes.size() + " bytes, more than "
                    + SafetensorsHeader.MAX_BYTES);
        }
        MemorySegment header = Arena.ofAuto().allocate(8 + bytes.size());
        header.set(SafetensorsHeader.I64, 0, bytes.size());
        MemorySegment.copy(bytes.toByteArray(), 0, header, ValueLayout.JAVA_BYTE, 8, bytes.size());
        return header;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public KvCache write(MemorySegment out) {
        if (out.byteSize() != bytes) {
            throw new IllegalArgumentException("an image of " + bytes + " bytes written to " + out.byteSize());
        }
        out.asSlice(0, header.byteSize()).copyFrom(header);
        KvCache.Builder cache = new KvCache.Builder(layout);
        for (int s = 0; s < layout.subCaches().size(); s++) {
            for (LayerLayout layer : layout.subCaches().get(s).layers()) {
                for (Part part : Part.values()) {
                    cache.add(s, part, layer.has(part) ? slice(out, entries.get(name(layer, part))) : out.asSlice(0, 0));
                }
            }
        }
        for (CacheLayout.Blob blob : layout.blobs()) {
            if (blob.name().equals(SafetensorsFormat.HEADER_BLOB)) {
                cache.addBlob(out.asSlice(0, header.byteSize()));
            } else {
                MemorySegment ids = slice(out, entries.get(SafetensorsFormat.TOKENS));
                ids.copyFrom(tokens);
                cache.addBlob(ids);
            }
        }
        return cache.build();
    }

    private MemorySegment slice(MemorySegment out, Entry entry) {
        return out.asSlice(header.byteSize() + entry.begin(), entry.end() - entry.begin());
    }
}
