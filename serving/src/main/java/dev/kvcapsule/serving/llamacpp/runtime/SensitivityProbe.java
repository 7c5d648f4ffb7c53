package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Measures {@link LayerSensitivity} on one cache: white noise goes on one tensor at a time, and the model predicts on. Deterministic for one library
 * on one machine. As many evaluations as the cache has tensors, and up to {@value #FLOOR_POINTS} more for the floor.
 *
 * <p>The floor: llama.cpp rounds activations to 8 bits where weights are quantized, so a change however small turns into a divergence of its own,
 * the same for K and V and for noise of .003 and .01, which falls about linearly with the number of layers that are still to come (SmolLM2-135M:
 * .0028 at layer 0, .0004 at layer 29, after 600 tokens). It adds to what the noise does, so the line through a few measurements of it is
 * subtracted; less than a quarter of it is left to no tensor, since that cannot be told from nothing.
 *
 * @param level deviation of the noise; a tensor whose own root mean square is less gets that instead, because more noise than signal does
 *     not do damage in proportion
 * @param spared leading tokens that get no noise (a codec that keeps attention sinks apart does not damage them), at least 0
 * @param seed of the noise; every tensor has a stream of its own
 */
public record SensitivityProbe(NoiseLevel level, int spared, long seed) {
    private static final long DEFAULT_SEED = 20261122;
    static final int FLOOR_POINTS = 6;

    /** Noise for the floor, as a share of the level: far too little to do damage. */
    private static final double FLOOR_SHARE = 1.0 / 300;

    /** @throws IllegalArgumentException if {@code spared} is negative */
    public SensitivityProbe {
        if (spared < 0) {
            throw new IllegalArgumentException("spared tokens " + spared);
        }
    }

    /** Noise on every token, with a fixed seed. */
    public static SensitivityProbe of(NoiseLevel level) {
        return new SensitivityProbe(level, 0, DEFAULT_SEED);
    }

    /** Hears how far a measurement is. */
    @FunctionalInterface
    public interface Progress {
        /**
         * @param done evaluations behind it
         * @param total evaluations there are
         */
        void measured(int done, int total);
    }

    /**
     * Measures every tensor.
     *
     * @param context with cells for the state's tokens and the continuation
     * @param state of the form that {@link LlamaContext#save} gives; not changed
     * @param continuation 64 to 128 tokens that follow, and one more that the last of them should predict
     */
    public LayerSensitivity measure(LlamaContext context, MemorySegment state, int[] continuation, Progress progress) throws IOException {
        try (Arena arena = Arena.ofConfined(); CacheJudge judge = CacheJudge.of(context, state, continuation)) {
            MemorySegment damaged = arena.allocate(state.byteSize(), 64).copyFrom(state);
            return new Measurement(judge, context.read(damaged), damaged, progress).run(context.model().layers());
        }
    }

    /** One tensor of a cache. */
    private record Place(SubCache sub, LayerLayout layer, Part part, MemorySegment bytes) {}

    private static List<Place> places(KvCache cache) {
        List<Place> places = new ArrayList<>();
        for (int s = 0; s < cache.layout().subCaches().size(); s++) {
            SubCache sub = cache.layout().subCaches().get(s);
            for (int l = 0; l < sub.layers().size(); l++) {
                for (Part part : Part.values()) {
                    if (sub.layers().get(l).has(part)) {
                        places.add(new Place(sub, sub.layers().get(l), part, cache.tensor(s, l, part)));
                    }
                }
            }
        }
        places.sort(Comparator.comparingInt(place -> place.layer.layer()));
        return places;
    }

    /** The state of one measurement. */
    private final class Measurement {
        private final CacheJudge judge;
        private final MemorySegment state;
        private final Progress progress;
        private final List<Place> places;
        private final int total;
        private int done;

        /** @param cache slices of {@code state} */
        Measurement(CacheJudge judge, KvCache cache, MemorySegment state, Progress progress) {
            this.judge = judge;
            this.state = state;
            this.progress = progress;
            places = places(cache);
            total = places.size() + Math.min(FLOOR_POINTS, places.size());
        }

        LayerSensitivity run(int layers) throws IOException {
            double[] key = new double[layers];
            double[] value = new double[layers];
            Arrays.fill(key, Double.NaN);
            Arrays.fill(value, Double.NaN);
            double[] floor = floor(layers);
            for (Place place : places) {
                int layer = place.layer.layer();
                (place.part == Part.KEY ? key : value)[layer] = damage(place, 1, floor[layer]);
            }
            return new LayerSensitivity(key, value);
        }

        /** The line through a few measurements, by least squares, at every layer; at least 0. */
        private double[] floor(int layers) throws IOException {
            int points = Math.min(FLOOR_POINTS, places.size());
            double[] x = new double[points];
            double[] y = new double[points];
            for (int i = 0; i < points; i++) {
                Place place = places.get(points == 1 ? 0 : i * (places.size() - 1) / (points - 1));
                x[i] = place.layer.layer();
                y[i] = divergence(place, FLOOR_SHARE)[0];
            }
            double meanX = Arrays.stream(x).average().orElse(0);
            double meanY = Arrays.stream(y).average().orElse(0);
            double covariance = 0;
            double variance = 0;
            for (int i = 0; i < points; i++) {
                covariance += (x[i] - meanX) * (y[i] - meanY);
                variance += (x[i] - meanX) * (x[i] - meanX);
            }
            double slope = variance == 0 ? 0 : covariance / variance;
            double[] line = new double[layers];
            for (int layer = 0; layer < layers; layer++) {
                line[layer] = Math.max(0, meanY + slope * (layer - meanX));
            }
            return line;
        }

        private double damage(Place place, double share, double floor) throws IOException {
            double[] measured = divergence(place, share);
            // Never 0, so that a geometric mean exists.
            return Math.max(Math.max(measured[0] - floor, floor / 4), 1e-12) / measured[1];
        }

        /** Mean divergence, and the mean square of what was put on the tensor for it, which is as it was afterwards. */
        private double[] divergence(Place place, double share) throws IOException {
            byte[] untouched = place.bytes.toArray(ValueLayout.JAVA_BYTE);
            double error = addNoise(place, share);
            double divergence = judge.judge(state).meanKl();
            MemorySegment.copy(untouched, 0, place.bytes, ValueLayout.JAVA_BYTE, 0, untouched.length);
            progress.measured(++done, total);
            return new double[] {divergence, error};
        }
    }

    /** @return the mean square of what was really added, after rounding to the cache's type, over the tokens that got noise */
    private double addNoise(Place place, double share) {
        SubCache sub = place.sub;
        LayerLayout layer = place.layer;
        Part part = place.part;
        if (spared > 0 && sub.order(part) != TensorOrder.TOKEN_MAJOR) {
            throw new UnsupportedOperationException("tokens can be spared only where rows are stored by token, which takes flash attention");
        }
        // A window's first cell is not the text's first token.
        int rows = sub.positions().get(0) != 0 ? 0 : Math.min(spared, sub.cells() - 1);
        int from = rows * layer.width(part);
        float[] before = TensorValues.read(layer.type(part), place.bytes);
        float[] noisy = before.clone();
        double own = rootMeanSquare(before, from);
        double deviation = share * (own > 0 ? Math.min(own, level.of(part)) : level.of(part));
        SplittableRandom random = new SplittableRandom(seed ^ (2L * layer.layer() + part.ordinal() + 1) * 0x9E3779B97F4A7C15L);
        for (int i = from; i < noisy.length; i++) {
            noisy[i] += (float) (deviation * random.nextGaussian());
        }
        TensorValues.write(layer.type(part), noisy, place.bytes);
        float[] after = TensorValues.read(layer.type(part), place.bytes);
        for (int i = from; i < after.length; i++) {
            after[i] -= before[i];
        }
        double added = rootMeanSquare(after, from);
        return added * added;
    }

    private static double rootMeanSquare(float[] values, int from) {
        double sum = 0;
        for (int i = from; i < values.length; i++) {
            sum += (double) values[i] * values[i];
        }
        return Math.sqrt(sum / (values.length - from));
    }
}
