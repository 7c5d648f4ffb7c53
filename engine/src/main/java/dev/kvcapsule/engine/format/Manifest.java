package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The first frame of a capsule: everything a reader needs to decode the rest.
 *
 * @param codec the codec with every parameter
 * @param layout what the cache consists of
 * @param basisBytes bytes of what the codec shares between the tiles, carried ahead of them; 0 if nothing
 */
public record Manifest(CodecSpec codec, CacheLayout layout, long basisBytes) {
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
                "layers", sub.layers().stream().map(LayerFields::write).toList());
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
            layers.add(LayerFields.read(layer));
        }
        SubCache sub = new SubCache(map.text("name"), Positions.ofRuns(map.numbers("positions")), TensorOrder.ofLabel(map.text("k_order")),
                TensorOrder.ofLabel(map.text("v_order")), layers);
        map.end();
        return sub;
    }
}
