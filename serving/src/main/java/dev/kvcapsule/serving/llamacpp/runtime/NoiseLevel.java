package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;

/**
 * Standard deviations of the noise that sensitivities are measured with: small enough that damage is about proportional to it, large enough to
 * stand out of rounding.
 *
 * @param key on K, above 0
 * @param value on V, above 0
 */
public record NoiseLevel(double key, double value) {
    /** What worked on SmolLM2-135M, whose K have a root mean square of 2.25 and whose V one of 0.97. */
    public static final NoiseLevel SMOLLM2 = new NoiseLevel(1.5, 1);

    private static final double KEY_SHARE = 1.5 / 2.25;
    private static final double VALUE_SHARE = 1 / 0.97;

    /** @throws IllegalArgumentException if a deviation is not a positive number */
    public NoiseLevel {
        if (!(key > 0) || !(value > 0) || Double.isInfinite(key) || Double.isInfinite(value)) {
            throw new IllegalArgumentException("noise of " + key + " on K and " + value + " on V");
        }
    }

    /** In the same proportion to a cache's own root mean square, over all layers, as {@link #SMOLLM2} to SmolLM2's. */
    public static NoiseLevel of(KvCache cache) {
        return new NoiseLevel(KEY_SHARE * rootMeanSquare(cache, Part.KEY), VALUE_SHARE * rootMeanSquare(cache, Part.VALUE));
    }

    /** This noise, times a factor above 0: what a tensor costs per unit of error depends on it where damage is far from proportional, in K most. */
    public NoiseLevel times(double factor) {
        return new NoiseLevel(factor * key, factor * value);
    }

    /** 1 if there is no such tensor, or nothing but zeros. */
    private static double rootMeanSquare(KvCache cache, Part part) {
        double sum = 0;
        long count = 0;
        for (int s = 0; s < cache.layout().subCaches().size(); s++) {
            var layers = cache.layout().subCaches().get(s).layers();
            for (int l = 0; l < layers.size(); l++) {
                LayerLayout layer = layers.get(l);
                if (layer.has(part)) {
                    float[] values = TensorValues.read(layer.type(part), cache.tensor(s, l, part));
                    for (float value : values) {
                        sum += (double) value * value;
                    }
                    count += values.length;
                }
            }
        }
        return sum > 0 ? Math.sqrt(sum / count) : 1;
    }

    double of(Part part) {
        return part == Part.KEY ? key : value;
    }
}
