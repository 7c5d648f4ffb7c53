package dev.kvcapsule.engine.calibration;

import java.util.Arrays;
import java.util.Optional;

/**
 * Attention weights with what they are the means of, so that those of several texts, machines or days can be put together.
 *
 * @param means of the queries seen: key moments; of the model: value moments; geometric means of the caches probed: sensitivities
 * @param queries query tokens that key moments are the mean of; 0 if there are none
 * @param probes caches that sensitivities are the geometric mean of; 0 if there are none
 */
public record WeightSums(AttentionWeights means, long queries, long probes) {
    /** Nothing was seen. */
    public static final WeightSums NONE = new WeightSums(AttentionWeights.NONE, 0, 0);

    /** @throws IllegalArgumentException if a count does not go with what is counted */
    public WeightSums {
        if (queries < 0 || probes < 0 || queries > 0 != means.keyMoments().isPresent() || probes > 0 != means.keySensitivity().isPresent()
                || probes > 0 != means.valueSensitivity().isPresent()) {
            throw new IllegalArgumentException("attention weights of " + queries + " queries and " + probes + " caches, which they are not");
        }
    }

    /**
     * Both together. What only one of them has is taken from that one.
     *
     * @throws IllegalArgumentException if they are of different models
     */
    public WeightSums and(WeightSums other) {
        AttentionWeights a = means;
        AttentionWeights b = other.means;
        double share = (double) queries / Math.max(1, queries + other.queries);
        double probed = (double) probes / Math.max(1, probes + other.probes);
        if (a.valueMoments().isPresent() && b.valueMoments().isPresent() && !Arrays.deepEquals(a.valueMoments().get(), b.valueMoments().get())) {
            throw new IllegalArgumentException("output projections differ: another model, or the same one in other numbers");
        }
        return new WeightSums(new AttentionWeights(both(a.keyMoments(), b.keyMoments(), share), a.valueMoments().or(b::valueMoments),
                geometric(a.keySensitivity(), b.keySensitivity(), probed), geometric(a.valueSensitivity(), b.valueSensitivity(), probed)), queries + other.queries,
                probes + other.probes);
    }

    private static Optional<double[][][]> both(Optional<double[][][]> a, Optional<double[][][]> b, double share) {
        if (a.isEmpty() || b.isEmpty()) {
            return a.or(() -> b);
        }
        same(a.get().length, b.get().length);
        double[][][] mean = new double[a.get().length][][];
        for (int layer = 0; layer < mean.length; layer++) {
            same(a.get()[layer].length, b.get()[layer].length);
            mean[layer] = new double[a.get()[layer].length][];
            for (int head = 0; head < mean[layer].length; head++) {
                mean[layer][head] = mean(a.get()[layer][head], b.get()[layer][head], share);
            }
        }
        return Optional.of(mean);
    }

    private static double[] mean(double[] a, double[] b, double share) {
        same(a.length, b.length);
        double[] mean = new double[a.length];
        for (int i = 0; i < mean.length; i++) {
            mean[i] = share * a[i] + (1 - share) * b[i];
        }
        return mean;
    }

    private static Optional<double[]> geometric(Optional<double[]> a, Optional<double[]> b, double share) {
        if (a.isEmpty() || b.isEmpty()) {
            return a.or(() -> b);
        }
        same(a.get().length, b.get().length);
        double[] mean = new double[a.get().length];
        for (int layer = 0; layer < mean.length; layer++) {
            mean[layer] = Math.exp(share * Math.log(a.get()[layer]) + (1 - share) * Math.log(b.get()[layer]));
        }
        return Optional.of(mean);
    }

    private static void same(int a, int b) {
        if (a != b) {
            throw new IllegalArgumentException("attention weights of different models");
        }
    }
}
