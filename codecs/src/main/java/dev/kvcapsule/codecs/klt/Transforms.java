package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.engine.codec.Tile;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The transforms of all groups of a cache and the tables for their coefficients. */
final class Transforms {
    private final List<Transform> all;
    private final Map<Long, Transform> byGroup = new HashMap<>();
    private final CoefficientTables tables;

    Transforms(List<Transform> transforms, CoefficientTables tables) {
        this.all = List.copyOf(transforms);
        for (Transform transform : all) {
            byGroup.put(key(transform.group().subCache(), transform.group().firstLayer()), transform);
        }
        this.tables = tables;
    }

    private static long key(int subCache, int firstLayer) {
        return (long) subCache << 32 | firstLayer;
    }

    /** In the order of the groups. */
    List<Transform> all() {
        return all;
    }

    /** The transform of a tile's layers. */
    Transform of(Tile tile) {
        Transform transform = byGroup.get(key(tile.subCache(), tile.firstTensor() / 2));
        if (transform == null) {
            throw new IllegalStateException("no transform for " + tile);
        }
        return transform;
    }

    /** Components of the transform that has most of them. */
    int mostComponents() {
        return all.stream().mapToInt(Transform::components).max().orElse(0);
    }

    /** @throws ArithmeticException if there is no way into a weighted space */
    void prepareForward() {
        all.forEach(transform -> transform.weighting().prepareForward());
    }

    CoefficientTables tables() {
        return tables;
    }
}
