package dev.kvcapsule.engine.cache;

import java.util.List;
import java.util.Objects;

/**
 * Layers that keep the same tokens. A dense model has one sub-cache; a model with sliding-window layers has two of different lengths.
 *
 * @param name what it is to the format it came from ("kv", "base", "swa")
 * @param positions the token position of every cell, in cell order
 * @param keyOrder how K lies in memory
 * @param valueOrder how V lies in memory
 * @param layers its layers, in file order
 */
public record SubCache(String name, Positions positions, TensorOrder keyOrder, TensorOrder valueOrder, List<LayerLayout> layers) {
    /** @throws IllegalArgumentException if an order would split the blocks of a block type */
    public SubCache {
        Objects.requireNonNull(name);
        Objects.requireNonNull(positions);
        layers = List.copyOf(layers);
        for (LayerLayout layer : layers) {
            for (Part part : Part.values()) {
                TensorOrder order = part == Part.KEY ? keyOrder : valueOrder;
                DType type = layer.type(part);
                if (order == TensorOrder.CHANNEL_MAJOR && !type.isScalar()
                        || order == TensorOrder.HEAD_MAJOR && layer.headDim(part) % type.blockElements() != 0) {
                    throw new IllegalArgumentException(part.letter() + " of layer " + layer.layer() + " in " + order.label() + "-major order would split blocks of "
                            + type.label());
                }
            }
        }
    }

    /** Number of cells, which is the number of tokens it keeps. */
    public int cells() {
        return positions.cells();
    }

    /** How that part lies in memory. */
    public TensorOrder order(Part part) {
        return part == Part.KEY ? keyOrder : valueOrder;
    }

    /** Bytes of all its tensors. */
    public long bytes() {
        long bytes = 0;
        for (LayerLayout layer : layers) {
            for (Part part : Part.values()) {
                bytes = Math.addExact(bytes, Math.multiplyExact(layer.rowBytes(part), (long) cells()));
            }
        }
        return bytes;
    }
}
