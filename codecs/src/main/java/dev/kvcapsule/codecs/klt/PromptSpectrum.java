package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.principal.Covariance;
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
import java.util.Arrays;
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
        try (Arena temporary = Arena.ofConfined(); Covariance covariance = new Covariance(n, temporary); Scratch scratch = new Scratch();
                TokenVectors vectors = new TokenVectors(kernels); GrowingBuffer buffer = new GrowingBuffer()) {
            TileInput input = new TileInput(cache);
            for (int t = 0; t < plan.size(); t++) {
                Tile tile = plan.get(t);
                if (tile.subCache() != group.subCache() || tile.firstTensor() != 2 * group.firstLayer() || tile.region() == Region.SINK) {
                    continue;
                }
                List<TileTensor> tensors = input.read(tile, scratch);
                MemorySegment rows = buffer.atLeast(4L * tile.tokens() * n);
                if (vectors.load(tensors, n, rows)) {
                    covariance.add(rows, tile.tokens(), algebra);
                }
            }
            return of(group, covariance, algebra, arena);
        }
    }

    private static PromptSpectrum of(LayerGroup group, Covariance covariance, LinearAlgebra algebra, Arena arena) {
        int n = covariance.width();
        long tokens = covariance.rows();
        float[] mean = covariance.mean();
        MemorySegment matrix = covariance.matrix(algebra);
        float[] carried = new float[n];
        float[] off = new float[n];
        for (int w = 0; w < n; w++) {
            // What the capsule carries, and what will be subtracted: the covariance is to be about that.
            carried[w] = Float.float16ToFloat(Float.floatToFloat16(Math.clamp(mean[w], -65504f, 65504f)));
            off[w] = mean[w] - carried[w];
        }
        int[] widths = group.tensorWidths();
        float[] tensorDeviations = new float[widths.length];
        float[] unit = new float[n];
        for (int tensor = 0, first = 0; tensor < widths.length; first += widths[tensor++]) {
            double variance = 0;
            for (int w = first; w < first + widths[tensor]; w++) {
                variance += matrix.get(ValueLayout.JAVA_DOUBLE, 8 * ((long) w * n + w)) + (double) off[w] * off[w];
            }
            float deviation = (float) Math.sqrt(Math.max(variance, 0) / widths[tensor]);
            tensorDeviations[tensor] = deviation > 1e-6f ? deviation : 1;
            Arrays.fill(unit, first, first + widths[tensor], tensorDeviations[tensor]);
        }
        if (tokens < 2) {
            return new PromptSpectrum(group, tokens, carried, tensorDeviations, new double[0], MemorySegment.NULL);
        }
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                long at = 8 * ((long) i * n + j);
                matrix.set(ValueLayout.JAVA_DOUBLE, at, (matrix.get(ValueLayout.JAVA_DOUBLE, at) + (double) off[i] * off[j]) / unit[i] / unit[j]);
            }
        }
        int count = (int) Math.min(Math.min(n, Math.min(MAX_COMPONENTS, CarriedRows.MAX_CODES / n)), tokens);
        try (Eigen eigen = algebra.largest(matrix, n, count, ProgressListener.NONE)) {
            double[] deviations = new double[count];
            for (int k = 0; k < count; k++) {
                deviations[k] = Math.sqrt(Math.max(0, eigen.value(k)));
            }
            MemorySegment vectors = arena.allocate(4L * count * n, 64).copyFrom(eigen.vectors().asSlice(0, 4L * count * n));
            return new PromptSpectrum(group, tokens, carried, tensorDeviations, deviations, vectors);
        }
    }
}
