package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TilePlan;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.linalg.Eigen;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * Principal directions of what a shared transform leaves over of one cache, each token's rest divided by its {@link TokenScale}: errors count by that. They are those of a sample where
 * there are many tokens: the eigenvectors of its rows' Gram matrix, carried over to channels.
 *
 * @param tokens that are coded with the transform
 * @param scaled root mean square of the coefficients, of rests divided by the scales, falling
 * @param deviations root mean square of the coefficients, of rests as they are
 * @param vectors f32 {@code [scaled.length][width]}, unit vectors
 */
record OwnSpectrum(long tokens, double[] scaled, double[] deviations, MemorySegment vectors) {
    /** Tokens of a sample at most, and numbers of it: 128 MB. */
    private static final int SAMPLE_TOKENS = 2304;
    private static final int SAMPLE_FLOATS = 1 << 25;

    /** Of a sample that is not all, each ninth token takes no part in finding the directions: it tells what they are worth for those that are not in it. */
    private static final int HELD_OUT = 9;

    /** Directions that are looked for, of a sample of so many times as many. */
    private static final int ROWS_OF_A_DIRECTION = 2;

    /** Share of the largest eigenvalue below which there is nothing but rounding. */
    private static final double LEAST_VALUE = 1e-7;

    /** Pieces that products are cut in, whatever the number of threads. */
    private static final int PIECES = 16;

    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;

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
        int rows = Math.min(tokens, Math.min(SAMPLE_TOKENS, SAMPLE_FLOATS / transform.width()));
        int width = transform.width();
        if (rows < 2 * ROWS_OF_A_DIRECTION) {
            return none(tokens);
        }
        try (Arena temporary = Arena.ofShared()) {
            Sample sample = new Sample(tokens, rows, rows == tokens ? 0 : rows / HELD_OUT, temporary.allocate(4L * rows * width, 64), new float[rows]);
            sample.read(transform, tiles, codec, cache, options);
            return sample.spectrum(width, Math.min(most, (rows - sample.held) / ROWS_OF_A_DIRECTION), options.threads(), arena);
        }
    }

    /**
     * Rests of some tokens.
     *
     * @param tokens of which it is a sample
     * @param count rows
     * @param held rows that take no part, the last ones
     * @param rows f32 {@code [count][width]}
     * @param factors of the scales of the rows' tokens
     */
    private record Sample(int tokens, int count, int held, MemorySegment rows, float[] factors) {
        /** Tokens evenly over the cache. @return the number of the row that a token becomes; or -1 */
        int row(int token) {
            long number = (long) token * count / tokens;
            if ((long) (token + 1) * count / tokens == number) {
                return -1;
            }
            if (held == 0) {
                return (int) number;
            }
            int before = (int) Math.min(held, number / HELD_OUT);
            return number % HELD_OUT == HELD_OUT - 1 && before < held ? count - held + before : (int) number - before;
        }

        void read(Transform transform, List<Tile> tiles, KltCodec codec, KvCache cache, FitOptions options) throws IOException {
            int[] starts = new int[tiles.size()];
            for (int t = 1; t < starts.length; t++) {
                starts[t] = starts[t - 1] + tiles.get(t - 1).tokens();
            }
            List<Callable<Void>> jobs = new ArrayList<>();
            for (int thread = 0; thread < options.threads(); thread++) {
                int first = thread;
                jobs.add(() -> {
                    TileInput input = new TileInput(cache);
                    try (KltCoder coder = new KltCoder(codec, options.kernels()); Scratch scratch = new Scratch()) {
                        for (int t = first; t < starts.length; t += options.threads()) {
                            read(transform, tiles.get(t), starts[t], input.read(tiles.get(t), scratch), coder);
                        }
                    }
                    return null;
                });
            }
            GroupJobs.run(options.threads(), jobs);
        }

        private void read(Transform transform, Tile tile, int start, List<TileTensor> tensors, KltCoder coder) {
            int[] kept = new int[tile.tokens()];
            int taken = 0;
            for (int t = 0; t < tile.tokens(); t++) {
                if (row(start + t) >= 0) {
                    kept[taken++] = t;
                }
            }
            byte[] symbols = coder.load(tile, transform, tensors);
            if (symbols == null || taken == 0) {
                // Coded losslessly: the rows stay 0.
                return;
            }
            int width = transform.width();
            MemorySegment rests = coder.rests(transform, Arrays.copyOf(kept, taken));
            for (int i = 0; i < taken; i++) {
                int row = row(start + kept[i]);
                factors[row] = TokenScale.factor(symbols[kept[i]]);
                RowLoops.multiply(rests.asSlice(4L * i * width, 4L * width), width, 1 / factors[row], rows.asSlice(4L * row * width, 4L * width));
            }
        }

        OwnSpectrum spectrum(int width, int most, int threads, Arena arena) throws IOException {
            // One thread a piece: the result must not depend on how many there are.
            LinearAlgebra algebra = LinearAlgebras.best(1);
            int fitted = count - held;
            try (Arena temporary = Arena.ofShared()) {
                MemorySegment gram = temporary.allocate(8L * fitted * fitted, 64);
                MemorySegment products = temporary.allocate(4L * fitted * fitted, 64);
                pieces(threads, fitted, (first, size) -> {
                    int behind = fitted - first;
                    long at = 4L * first * fitted;
                    algebra.gemm(false, true, size, behind, width, 1, row(first, width), width, row(first, width), width, 0, products.asSlice(at), behind);
                    float[] line = new float[behind];
                    for (int i = 0; i < size; i++) {
                        MemorySegment.copy(products, Transform.FLOAT, at + 4L * i * behind, line, 0, behind);
                        for (int j = i; j < behind; j++) {
                            gram.set(DOUBLE, 8 * ((long) (first + i) * fitted + first + j), line[j]);
                        }
                    }
                });
                try (Eigen eigen = algebra.largest(gram, fitted, most, ProgressListener.NONE)) {
                    int found = 0;
                    while (found < most && eigen.value(found) > LEAST_VALUE * eigen.value(0)) {
                        found++;
                    }
                    int directions = found;
                    if (directions == 0) {
                        return none(tokens);
                    }
                    MemorySegment vectors = arena.allocate(4L * directions * width, 64);
                    pieces(threads, width, (first, size) -> algebra.gemm(false, false, directions, size, fitted, 1, eigen.vectors(), fitted, rows.asSlice(4L * first), width, 0,
                            vectors.asSlice(4L * first), width));
                    for (int k = 0; k < directions; k++) {
                        MemorySegment vector = vectors.asSlice(4L * k * width, 4L * width);
                        RowLoops.multiply(vector, width, (float) (1 / Math.sqrt(eigen.value(k))), vector);
                    }
                    return weighed(directions, width, vectors, algebra, eigen, temporary);
                }
            }
        }

        /** What the directions hold: of tokens that they come from, and of others, each for their share. */
        private OwnSpectrum weighed(int directions, int width, MemorySegment vectors, LinearAlgebra algebra, Eigen eigen, Arena temporary) {
            int fitted = count - held;
            MemorySegment others = temporary.allocate(Math.max(4, 4L * held * directions), 64);
            algebra.gemm(false, true, held, directions, width, 1, row(fitted, width), width, vectors, width, 0, others, Math.max(1, directions));
            double known = held == 0 ? 1 : (double) fitted / tokens;
            double[] scaled = new double[directions];
            double[] deviations = new double[directions];
            for (int k = 0; k < directions; k++) {
                double plain = 0;
                for (int t = 0; t < fitted; t++) {
                    plain += eigen.value(k) * Math.pow(eigen.vectors().get(Transform.FLOAT, 4L * ((long) k * fitted + t)) * factors[t], 2);
                }
                double square = known * eigen.value(k) / fitted;
                plain *= known / fitted;
                for (int t = 0; t < held; t++) {
                    double coefficient = others.get(Transform.FLOAT, 4L * ((long) t * directions + k));
                    square += (1 - known) / held * coefficient * coefficient;
                    plain += (1 - known) / held * Math.pow(coefficient * factors[fitted + t], 2);
                }
                scaled[k] = Math.sqrt(square);
                deviations[k] = Math.sqrt(plain);
            }
            return new OwnSpectrum(tokens, scaled, deviations, vectors);
        }

        private MemorySegment row(int first, int width) {
            return rows.asSlice(4L * first * width);
        }
    }

    private interface Piece {
        void accept(int first, int size);
    }

    private static void pieces(int threads, int count, Piece piece) throws IOException {
        List<Callable<Void>> jobs = new ArrayList<>();
        for (int p = 0; p < PIECES; p++) {
            int first = (int) ((long) p * count / PIECES);
            int size = (int) ((p + 1L) * count / PIECES) - first;
            jobs.add(() -> {
                if (size > 0) {
                    piece.accept(first, size);
                }
                return null;
            });
        }
        GroupJobs.run(threads, jobs);
    }
}
