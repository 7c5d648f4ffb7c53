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
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Measures {@link LayerSensitivity} on one cache: white noise goes on one tensor at a time, and the model predicts on. As many evaluations as the
 * cache has tensors. Deterministic for one library on one machine.
 *
 * @param level deviation of the noise
 * @param spared leading tokens that get no noise (a codec that keeps attention sinks apart does not damage them), at least 0
 * @param seed of the noise; every tensor has a stream of its own
 */
public record SensitivityProbe(NoiseLevel level, int spared, long seed) {
    private static final long DEFAULT_SEED = 20261122;

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
         * @param done tensors measured
         * @param total tensors there are
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
        double[] key = new double[context.model().layers()];
        double[] value = new double[key.length];
        Arrays.fill(key, Double.NaN);
        Arrays.fill(value, Double.NaN);
        try (Arena arena = Arena.ofConfined(); CacheJudge judge = CacheJudge.of(context, state, continuation)) {
            MemorySegment damaged = arena.allocate(state.byteSize(), 64).copyFrom(state);
            KvCache cache = context.read(damaged);
            int total = tensors(cache);
            int done = 0;
            for (int s = 0; s < cache.layout().subCaches().size(); s++) {
                SubCache sub = cache.layout().subCaches().get(s);
                for (int l = 0; l < sub.layers().size(); l++) {
                    LayerLayout layer = sub.layers().get(l);
                    for (Part part : Part.values()) {
                        if (layer.has(part)) {
                            MemorySegment tensor = cache.tensor(s, l, part);
                            byte[] untouched = tensor.toArray(ValueLayout.JAVA_BYTE);
                            double error = addNoise(sub, layer, part, tensor);
                            double divergence = judge.judge(damaged).meanKl();
                            MemorySegment.copy(untouched, 0, tensor, ValueLayout.JAVA_BYTE, 0, untouched.length);
                            // Never 0, so that a geometric mean exists; divergences are positive but for rounding.
                            (part == Part.KEY ? key : value)[layer.layer()] = Math.max(divergence, 1e-12) / error;
                            progress.measured(++done, total);
                        }
                    }
                }
            }
        }
        return new LayerSensitivity(key, value);
    }

    private static int tensors(KvCache cache) {
        int count = 0;
        for (SubCache sub : cache.layout().subCaches()) {
            for (LayerLayout layer : sub.layers()) {
                count += layer.has(Part.VALUE) ? 2 : 1;
            }
        }
        return count;
    }

    /** @return the mean square of what was really added, after rounding to the cache's type, over the tokens that got noise */
    private double addNoise(SubCache sub, LayerLayout layer, Part part, MemorySegment tensor) {
        if (spared > 0 && sub.order(part) != TensorOrder.TOKEN_MAJOR) {
            throw new UnsupportedOperationException("tokens can be spared only where rows are stored by token, which takes flash attention");
        }
        // A window's first cell is not the text's first token.
        int rows = sub.cells() == 0 || sub.positions().get(0) != 0 ? 0 : Math.min(spared, sub.cells() - 1);
        int from = rows * layer.width(part);
        float[] before = TensorValues.read(layer.type(part), tensor);
        float[] noisy = before.clone();
        SplittableRandom random = new SplittableRandom(seed ^ (2L * layer.layer() + part.ordinal() + 1) * 0x9E3779B97F4A7C15L);
        for (int i = from; i < noisy.length; i++) {
            noisy[i] += (float) (level.of(part) * random.nextGaussian());
        }
        TensorValues.write(layer.type(part), noisy, tensor);
        float[] after = TensorValues.read(layer.type(part), tensor);
        double error = 0;
        for (int i = from; i < after.length; i++) {
            double difference = (double) after[i] - before[i];
            error += difference * difference;
        }
        return error / (after.length - from);
    }
}
