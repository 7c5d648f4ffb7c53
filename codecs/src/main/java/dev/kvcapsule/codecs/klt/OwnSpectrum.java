package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.format.BasisFit;
import dev.kvcapsule.engine.kernel.TransformBasis;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Principal directions of what a shared transform leaves over of one cache, each token's rest divided by its {@link TokenScale}: errors count by that. They are those of a sample where
 * there are many tokens: the eigenvectors of the Gram matrix of its rests, carried over to channels. With rows u of the basis, orthonormal but for their rounding, and p = U y the rest is
 * y - U^T p, and the product of two rests is y y' - p p', less what rows miss unit length by: rests need not be computed for it.
 *
 * @param tokens that are coded with the transform
 * @param scaled root mean square of the coefficients, of rests divided by the scales, falling but for what the sample does not know
 * @param deviations root mean square of the coefficients, of rests as they are
 * @param vectors f32 {@code [scaled.length][width]}, unit vectors
 */
record OwnSpectrum(long tokens, double[] scaled, double[] deviations, MemorySegment vectors) {
    /** Tokens of a sample at most: where the basis knows caches like this one, few directions pay, and half the tokens find them. Measured, docs/fidelity.md. */
    private static final int USUAL_TOKENS = 1152;
    private static final int MOST_TOKENS = 2304;

    /** Numbers of a sample at most: 128 MB. */
    private static final int SAMPLE_FLOATS = 1 << 25;

    /** Directions that are looked for, of a sample of so many times as many. */
    private static final int ROWS_OF_A_DIRECTION = 2;

    /** Nothing to take. */
    static OwnSpectrum none(long tokens) {
        return new OwnSpectrum(tokens, new double[0], new double[0], MemorySegment.NULL);
    }

    /**
     * Looks at a cache.
     *
     * @param codec bound to a shared basis, with the scales of the cache's tokens
     * @param most directions wanted
     * @param arena owns the vectors
     */
    static OwnSpectrum of(Transform transform, int most, KltCodec codec, KvCache cache, TilePlan plan, FitOptions options, Arena arena) throws IOException {
        List<Tile> tiles = new ArrayList<>();
        int tokens = 0;
        for (int t = 0; t < plan.size(); t++) {
            Tile tile = plan.get(t);
            if (tile.subCache() == transform.group().subCache() && tile.firstTensor() == 2 * transform.group().firstLayer() && tile.region() != Region.SINK) {
                tiles.add(tile);
                tokens += tile.tokens();
            }
        }
        Optional<OwnSpectrum> usual = codec.settings().leavesOwnOpen() ? of(transform, tiles, tokens, USUAL_TOKENS, most, codec, cache, options, arena) : Optional.empty();
        return usual.isPresent() ? usual.get() : of(transform, tiles, tokens, MOST_TOKENS, most, codec, cache, options, arena).orElseThrow();
    }

    /** The same of a sample of so many tokens; empty if a larger one is worth reading. */
    private static Optional<OwnSpectrum> of(Transform transform, List<Tile> tiles, int tokens, int sampled, int most, KltCodec codec, KvCache cache, FitOptions options, Arena arena)
            throws IOException {
        int width = transform.width();
        int largest = Math.min(tokens, Math.min(MOST_TOKENS, SAMPLE_FLOATS / width));
        int rows = Math.min(largest, sampled);
        if (rows < 2 * ROWS_OF_A_DIRECTION) {
            return Optional.of(none(tokens));
        }
        try (Arena temporary = Arena.ofShared()) {
            TransformBasis others = transform.basis().range(transform.leading(), transform.components() - transform.leading());
            OwnSample sample = new OwnSample(others, tokens, rows, rows == tokens ? 0 : rows / OwnSample.HELD_OUT, temporary.allocate(4L * rows * width, 64),
                    temporary.allocate(Math.max(4, 4L * rows * others.components()), 64), new float[rows]);
            Optional<BasisFit> fit = sample.read(transform, tiles, codec, cache, options);
            if (rows < largest && fit.isPresent() && !fit.get().isGood()) {
                return Optional.empty();
            }
            return Optional.of(sample.spectrum(Math.min(most, (rows - sample.held()) / ROWS_OF_A_DIRECTION), options, arena));
        }
    }
}
