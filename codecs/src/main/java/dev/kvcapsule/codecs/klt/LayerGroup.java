package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import java.util.ArrayList;
import java.util.List;

/**
 * Consecutive layers of a sub-cache that are transformed together. A token's vector is K of the first layer, V of the first layer, K of the second, ...;
 * absent V takes no room.
 *
 * @param subCache index of the sub-cache
 * @param firstLayer index of the first layer within the sub-cache
 * @param layers their layouts
 */
record LayerGroup(int subCache, int firstLayer, List<LayerLayout> layers) {
    /** All groups of a sub-cache. */
    static List<LayerGroup> of(int subCache, SubCache sub, int layersPerGroup) {
        List<LayerGroup> groups = new ArrayList<>();
        for (int first = 0; first < sub.layers().size(); first += layersPerGroup) {
            groups.add(new LayerGroup(subCache, first, sub.layers().subList(first, Math.min(first + layersPerGroup, sub.layers().size()))));
        }
        return groups;
    }

    /** Channels of a token's vector. */
    int width() {
        int width = 0;
        for (LayerLayout layer : layers) {
            width = Math.addExact(width, layer.width(Part.KEY) + layer.width(Part.VALUE));
        }
        return width;
    }

    /** Channels of each head, in the vector's order. */
    int[] headDims() {
        List<Integer> dims = new ArrayList<>();
        for (LayerLayout layer : layers) {
            for (Part part : Part.values()) {
                for (int head = 0; layer.has(part) && head < layer.kvHeads(); head++) {
                    dims.add(layer.headDim(part));
                }
            }
        }
        return dims.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Channels of each tensor, in the vector's order. */
    int[] tensorWidths() {
        List<Integer> widths = new ArrayList<>();
        for (LayerLayout layer : layers) {
            for (Part part : Part.values()) {
                if (layer.has(part)) {
                    widths.add(layer.width(part));
                }
            }
        }
        return widths.stream().mapToInt(Integer::intValue).toArray();
    }

    @Override
    public String toString() {
        return "layers " + layers.getFirst().layer() + " to " + layers.getLast().layer();
    }
}
