package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Rope;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** A layer's layout as a CBOR map: that of manifests, and of whatever else tells what a model's cache looks like. */
public final class LayerFields {
    private static final int MAX_LAYERS = 1 << 16;

    private LayerFields() {}

    /** A map that {@link Cbor} can write. */
    public static Map<String, Object> write(LayerLayout layer) {
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

    /** @throws MalformedDataException if it is no layer that can be */
    public static LayerLayout read(CborMap map) throws MalformedDataException {
        try {
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
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw map.malformed(e.getMessage());
        }
    }
}
