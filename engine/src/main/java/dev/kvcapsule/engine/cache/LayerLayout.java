package dev.kvcapsule.engine.cache;

import java.util.Objects;
import java.util.Optional;

/**
 * What one attention layer keeps for every token. A K row is {@code kvHeads x keyHeadDim} channels, a V row {@code kvHeads x valueHeadDim};
 * the two may differ, and V may be absent (multi-head latent attention).
 *
 * @param layer the layer's number in the model, from 0
 * @param kvHeads KV heads, at least 1 (fewer than query heads under grouped-query attention)
 * @param keyHeadDim channels of a head in K, at least 1
 * @param valueHeadDim channels of a head in V; 0 if the layer has no V
 * @param keyType element type of K
 * @param valueType element type of V (meaningless without V)
 * @param rope how K was rotated; empty if it was not or if nobody said
 * @param window attention window in tokens; 0 for global attention
 */
public record LayerLayout(
        int layer, int kvHeads, int keyHeadDim, int valueHeadDim, DType keyType, DType valueType, Optional<Rope> rope, int window) {

    /** The widest row that is believed, in channels: far above any model, far below an overflow. */
    public static final int MAX_WIDTH = 1 << 16;

    /** @throws IllegalArgumentException if a component is out of its range or a row is not a whole number of blocks */
    public LayerLayout {
        Objects.requireNonNull(keyType);
        Objects.requireNonNull(valueType);
        Objects.requireNonNull(rope);
        if (layer < 0 || kvHeads < 1 || keyHeadDim < 1 || valueHeadDim < 0 || window < 0) {
            throw new IllegalArgumentException("layer " + layer + " has " + kvHeads + " KV heads of " + keyHeadDim + " and " + valueHeadDim
                    + " channels and a window of " + window + ": out of range");
        }
        if ((long) kvHeads * Math.max(keyHeadDim, valueHeadDim) > MAX_WIDTH) {
            throw new IllegalArgumentException("layer " + layer + " has rows wider than " + MAX_WIDTH + " channels");
        }
        keyType.rowBytes(kvHeads * keyHeadDim);
        valueType.rowBytes(kvHeads * valueHeadDim);
        if (rope.isPresent() && rope.get().dims() > keyHeadDim) {
            throw new IllegalArgumentException("layer " + layer + " rotates " + rope.get().dims() + " channels of a head that has " + keyHeadDim);
        }
    }

    /** Whether the layer has that tensor. */
    public boolean has(Part part) {
        return part == Part.KEY || valueHeadDim > 0;
    }

    /** Channels of a head. */
    public int headDim(Part part) {
        return part == Part.KEY ? keyHeadDim : valueHeadDim;
    }

    /** Channels of a row. */
    public int width(Part part) {
        return kvHeads * headDim(part);
    }

    /** Element type. */
    public DType type(Part part) {
        return part == Part.KEY ? keyType : valueType;
    }

    /** Bytes of a row. */
    public long rowBytes(Part part) {
        return type(part).rowBytes(width(part));
    }
}
