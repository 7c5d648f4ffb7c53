package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The first frame of a capsule: everything a reader needs to decode the rest.
 *
 * @param codec the codec with every parameter
 * @param layout what the cache consists of
 * @param basisBytes bytes of what the codec shares between the tiles, carried ahead of them; 0 if nothing
 */
public record Manifest(CodecSpec codec, CacheLayout layout, long basisBytes) {
    private static final int MAX_LAYERS = 1 << 16;

    /** Deterministic CBOR, the payload of the manifest frame of a capsule without a seal. */
    public byte[] toBytes() {
        return Cbor.write(toMap());
    }

    /** The fields by name, as {@link Cbor} takes them; a seal adds its own. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("codec", codec.toString());
        map.put("tokens", layout.tokens());
        map.put("basis_bytes", basisBytes);
        map.put("origin", layout.origin());
        map.put("blobs", layout.blobs().stream().map(blob -> Map.of("name", blob.name(), "bytes", blob.bytes())).toList());
        map.put("caches", layout.subCaches().stream().map(Manifest::toMap).toList());
        return map;
    }

    private static Map<String, Object> toMap(SubCache sub) {
        List<Object> runs = new ArrayList<>();
        for (long number : sub.positions().runs()) {
            runs.add(number);
        }
        return Map.of(
                "name", sub.name(),
                "positions", runs,
                "k_order", sub.keyOrder().label(),
                "v_order", sub.valueOrder().label(),
                "layers", sub.layers().stream().map(Manifest::toMap).toList());
    }

    private static Map<String, Object> toMap(LayerLayout layer) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("layer", layer.layer());
        map.put("heads", layer.kvHeads());
        map.put("k_dim", layer.keyHeadDim());
        map.put("v_dim", layer.valueHeadDim());
        map.put("k_type", layer.keyType().label());
        map.put("v_type", layer.valueType().label());
        map.put("window", layer.window());
        layer.rope().ifPresent(rope -> map.put("rope", Map.of(
                "pairing", rope.pairing().label(), "base", rope.base(), "dims", rope.dims(), "scale", rope.scale(), "factors", rope.factors())));
        return map;
    }

    /**
     * @param payload the manifest frame's payload
     * @param offset where it lies in its file, for messages
     * @throws MalformedDataException if it is not a manifest of this version
     */
    public static Manifest parse(ByteBuffer payload, long offset) throws MalformedDataException {
        CborMap map = new CborMap(Cbor.read(payload, offset), "manifest", offset);
        Manifest manifest = of(map);
        map.end();
        return manifest;
    }

    /**
     * Takes the manifest's own fields out of a map that may have others.
     *
     * @throws MalformedDataException if one is missing or wrong
     */
    public static Manifest of(CborMap map) throws MalformedDataException {
        try {
            CodecSpec codec = CodecSpec.parse(map.text("codec"));
            long tokens = map.number("tokens", 0, Integer.MAX_VALUE);
            long basisBytes = map.number("basis_bytes", 0, Integer.MAX_VALUE);
            Map<String, String> origin = map.texts("origin");
            List<CacheLayout.Blob> blobs = new ArrayList<>();
            for (CborMap blob : map.maps("blobs")) {
                blobs.add(new CacheLayout.Blob(blob.text("name"), blob.number("bytes", 0, Long.MAX_VALUE)));
                blob.end();
            }
            List<SubCache> caches = new ArrayList<>();
            for (CborMap cache : map.maps("caches")) {
                caches.add(subCache(cache));
            }
            CacheLayout layout = new CacheLayout(tokens, caches, blobs, origin);
            // Both sums are taken with exact arithmetic: a layout whose size overflows is refused here, not later.
            Math.addExact(layout.tensorBytes(), layout.blobBytes());
            return new Manifest(codec, layout, basisBytes);
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw map.malformed(e.getMessage());
        }
    }

    private static SubCache subCache(CborMap map) throws MalformedDataException {
        List<LayerLayout> layers = new ArrayList<>();
        for (CborMap layer : map.maps("layers")) {
            layers.add(layer(layer));
        }
        SubCache sub = new SubCache(map.text("name"), Positions.ofRuns(map.numbers("positions")), TensorOrder.ofLabel(map.text("k_order")),
                TensorOrder.ofLabel(map.text("v_order")), layers);
        map.end();
        return sub;
    }

    private static LayerLayout layer(CborMap map) throws MalformedDataException {
        Optional<Rope> rope = Optional.empty();
        if (map.has("rope")) {
            CborMap fields = map.map("rope");
            rope = Optional.of(new Rope(Rope.Pairing.ofLabel(fields.text("pairing")), fields.real("base"), fields.integer("dims", 2, LayerLayout.MAX_WIDTH),
                    fields.real("scale"), fields.reals("factors")));
            fields.end();
        }
        LayerLayout layer = new LayerLayout(map.integer("layer", 0, MAX_LAYERS), map.integer("heads", 1, LayerLayout.MAX_WIDTH),
                map.integer("k_dim", 1, LayerLayout.MAX_WIDTH), map.integer("v_dim", 0, LayerLayout.MAX_WIDTH), DType.ofLabel(map.text("k_type")),
                DType.ofLabel(map.text("v_type")), rope, map.integer("window", 0, Integer.MAX_VALUE));
        map.end();
        return layer;
    }
}
