package dev.kvcapsule.serving.llamacpp.runtime;

import java.util.List;
import java.util.function.Function;

/**
 * What errors in each layer cost: mean Kullback-Leibler divergence of the following predictions, in nats, per unit of mean square error.
 *
 * @param key of K by model layer, at least 0; NaN for a layer without a key cache. Not copied
 * @param value of V, the same
 */
public record LayerSensitivity(double[] key, double[] value) {

    /** Damped noise of the measurement: each layer a half of itself and a quarter of either neighbour, where there is one. */
    public LayerSensitivity smoothed() {
        return new LayerSensitivity(smoothed(key), smoothed(value));
    }

    private static double[] smoothed(double[] raw) {
        double[] smooth = new double[raw.length];
        for (int i = 0; i < raw.length; i++) {
            double sum = 0;
            double weight = 0;
            for (int j = Math.max(0, i - 1); j <= Math.min(raw.length - 1, i + 1); j++) {
                if (!Double.isNaN(raw[j])) {
                    double share = i == j ? 0.5 : 0.25;
                    sum += share * raw[j];
                    weight += share;
                }
            }
            smooth[i] = Double.isNaN(raw[i]) ? Double.NaN : sum / weight;
        }
        return smooth;
    }

    /**
     * The geometric mean over several caches, layer by layer.
     *
     * @param caches at least one, all of the same model
     * @throws IllegalArgumentException if there is none, or they differ in layers
     */
    public static LayerSensitivity geometricMean(List<LayerSensitivity> caches) {
        if (caches.isEmpty()) {
            throw new IllegalArgumentException("no sensitivities to take the mean of");
        }
        return new LayerSensitivity(geometricMean(caches, LayerSensitivity::key), geometricMean(caches, LayerSensitivity::value));
    }

    private static double[] geometricMean(List<LayerSensitivity> caches, Function<LayerSensitivity, double[]> part) {
        double[] mean = new double[part.apply(caches.getFirst()).length];
        for (LayerSensitivity cache : caches) {
            double[] one = part.apply(cache);
            if (one.length != mean.length) {
                throw new IllegalArgumentException("sensitivities of " + mean.length + " and " + one.length + " layers");
            }
            for (int i = 0; i < mean.length; i++) {
                mean[i] += Math.log(one[i]) / caches.size();
            }
        }
        for (int i = 0; i < mean.length; i++) {
            mean[i] = Math.exp(mean[i]);
        }
        return mean;
    }
}
