package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import java.util.ArrayList;
import java.util.List;

/**
 * K, or V, of consecutive layers of a sub-cache, side by side: what is transformed together.
 *
 * @param subCache index of the sub-cache
 * @param firstLayer index of the first layer within the sub-cache
 * @param part K or V
 * @param layers the layers' layouts
 */
public record PartGroup(int subCache, int firstLayer, Part part, List<LayerLayout> layers) {
    /** Copies the list. */
    public PartGroup {
        layers = List.copyOf(layers);
    }

    /** All groups of a sub-cache: K of the first layers, V of the first layers, K of the next ones; parts without channels are left out. */
    public static List<PartGroup> of(int subCache, SubCache sub, int layersPerGroup) {
        List<PartGroup> groups = new ArrayList<>();
        for (int first = 0; first < sub.layers().size(); first += layersPerGroup) {
            List<LayerLayout> layers = sub.layers().subList(first, Math.min(first + layersPerGroup, sub.layers().size()));
            for (Part part : Part.values()) {
                PartGroup group = new PartGroup(subCache, first, part, layers);
                if (group.width() > 0) {
                    groups.add(group);
                }
            }
        }
        return groups;
    }

    /** Channels of a token's vector. */
    public int width() {
        int width = 0;
        for (LayerLayout layer : layers) {
            width = Math.addExact(width, layer.width(part));
        }
        return width;
    }

    /** Bytes that a token takes in the cache. */
    public long rowBytes() {
        return layers.stream().mapToLong(layer -> layer.rowBytes(part)).sum();
    }

    /** Whether a tile holds this group. */
    public boolean isIn(Tile tile) {
        return tile.subCache() == subCache && tile.firstTensor() == 2 * firstLayer;
    }

    /** This group's tensors of a tile. */
    public List<TileTensor> of(List<TileTensor> tensors) {
        return tensors.stream().filter(tensor -> tensor.part() == part).toList();
    }

    /** What a transform must have been made for: part, heads and RoPE of each layer, as text. */
    public List<String> describe() {
        List<String> texts = new ArrayList<>();
        for (LayerLayout layer : layers) {
            texts.add(part.letter() + " of layer " + layer.layer() + ": " + layer.kvHeads() + " x " + layer.headDim(part) + (part == Part.KEY ? ", " + LayerShape.rope(layer) : ""));
        }
        return texts;
    }

    @Override
    public String toString() {
        return part.letter() + " of layers " + layers.getFirst().layer() + " to " + layers.getLast().layer();
    }
}
