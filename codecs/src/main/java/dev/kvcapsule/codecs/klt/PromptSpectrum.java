package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.principal.TokenVectors;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.Eigen;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * Principal components of a group of layers in one cache, each tensor first scaled to unit deviation: left as they are, layers of small numbers
 * would vanish beside others, and the model needs them as much.
 *
 * @param group the layers
 * @param tokens tokens that were looked at
 * @param mean [width]
 * @param tensorDeviations root of the mean variance of each tensor, positive
 * @param deviations of the coefficients, falling
 * @param vectors f32 {@code [deviations.length][width]}, orthonormal
 */
record PromptSpectrum(LayerGroup group, long tokens, float[] mean, float[] tensorDeviations, double[] deviations, MemorySegment vectors) {
    /** No more components than this are worth sending with a single cache. */
    private static final int MAX_COMPONENTS = 4096;

    /** @param arena owns the vectors */
    static PromptSpectrum of(LayerGroup group, KvCache cache, TilePlan plan, Kernels kernels, LinearAlgebra algebra, Arena arena) {
        int n = group.width();
        double[] sums = new double[n];
        long tokens = 0;
        try (Arena temporary = Arena.ofConfined(); Scratch scratch = new Scratch(); TokenVectors vectors = new TokenVectors(kernels); GrowingBuffer buffer = new GrowingBuffer()) {
            MemorySegment gram = temporary.allocate(8L * n * n, 64);
            TileInput input = new TileInput(cache);
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                if (tile.subCache() != group.subCache() || tile.firstTensor() != 2 * group.firstLayer() || tile.region() == Region.SINK) {
                    continue;
                }
                List<TileTensor> tensors = input.read(tile, scratch);
                MemorySegment rows = buffer.atLeast(4L * tile.tokens() * n);
                if (vectors.load(tensors, n, rows)) {
                    algebra.accumulateGram(rows, tile.tokens(), n, gram);
                    addRows(rows, tile.tokens(), sums);
                    tokens += tile.tokens();
                }
            }
            return of(group, tokens, sums, gram, algebra, arena);
        }
    }

    private static void addRows(MemorySegment rows, int tokens, double[] sums) {
        for (int t = 0; t < tokens; t++) {
            for (int w = 0; w < sums.length; w++) {
                sums[w] += rows.get(Transform.FLOAT, 4L * ((long) t * sums.length + w));
            }
        }
    }

    private static PromptSpectrum of(LayerGroup group, long tokens, double[] sums, MemorySegment gram, LinearAlgebra algebra, Arena arena) {
        int n = sums.length;
        float[] mean = new float[n];
        for (int w = 0; w < n; w++) {
            // What the capsule carries, so that the covariance is about the mean that will be subtracted.
            mean[w] = tokens == 0 ? 0 : Float.float16ToFloat(Float.floatToFloat16(Math.clamp((float) (sums[w] / tokens), -65504f, 65504f)));
        }
        int[] widths = group.tensorWidths();
        float[] tensorDeviations = new float[widths.length];
        float[] unit = new float[n];
        for (int tensor = 0, first = 0; tensor < widths.length; first += widths[tensor++]) {
            double variance = 0;
            for (int w = first; w < first + widths[tensor]; w++) {
                variance += tokens == 0 ? 0 : covariance(gram, n, w, w, sums, mean, tokens);
            }
            float deviation = (float) Math.sqrt(Math.max(variance, 0) / widths[tensor]);
            tensorDeviations[tensor] = deviation > 1e-6f ? deviation : 1;
            java.util.Arrays.fill(unit, first, first + widths[tensor], tensorDeviations[tensor]);
        }
        if (tokens < 2) {
            return new PromptSpectrum(group, tokens, mean, tensorDeviations, new double[0], MemorySegment.NULL);
        }
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                gram.set(ValueLayout.JAVA_DOUBLE, 8 * ((long) i * n + j), covariance(gram, n, i, j, sums, mean, tokens) / unit[i] / unit[j]);
            }
        }
        int count = (int) Math.min(Math.min(n, Math.min(MAX_COMPONENTS, PromptBasis.MAX_CODES / n)), tokens);
        try (Eigen eigen = algebra.largest(gram, n, count, ProgressListener.NONE)) {
            double[] deviations = new double[count];
            for (int k = 0; k < count; k++) {
                deviations[k] = Math.sqrt(Math.max(0, eigen.value(k)));
            }
            MemorySegment vectors = arena.allocate(4L * count * n, 64).copyFrom(eigen.vectors().asSlice(0, 4L * count * n));
            return new PromptSpectrum(group, tokens, mean, tensorDeviations, deviations, vectors);
        }
    }

    private static double covariance(MemorySegment gram, int n, int i, int j, double[] sums, float[] mean, long tokens) {
        double moment = gram.get(ValueLayout.JAVA_DOUBLE, 8 * ((long) i * n + j)) / tokens;
        return moment - sums[i] / tokens * mean[j] - mean[i] * (sums[j] / tokens) + (double) mean[i] * mean[j];
    }
}
