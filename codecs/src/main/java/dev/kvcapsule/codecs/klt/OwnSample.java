package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.format.BasisFit;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import dev.kvcapsule.engine.kernel.VectorKernel;
import dev.kvcapsule.engine.linalg.Eigen;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;

/**
 * Some tokens of a cache, in which {@link OwnSpectrum} finds directions: what a shared transform leaves over of each, divided by its scale.
 *
 * @param others components of the basis but for the leading ones
 * @param tokens of which it is a sample
 * @param count rows
 * @param held rows that take no part, the last ones
 * @param rows f32 {@code [count][width]}, less what the leading components say
 * @param inside f32 {@code [count][others.components()]}: their coefficients
 * @param factors the scales of the rows' tokens
 */
record OwnSample(TransformBasis others, int tokens, int count, int held, MemorySegment rows, MemorySegment inside, float[] factors) {
    /** Of a sample that is not all, each ninth token takes no part in finding the directions: it tells what they are worth for those that are not in it. */
    static final int HELD_OUT = 9;

    /** Share of the largest eigenvalue below which there is nothing but rounding. */
    private static final double LEAST_VALUE = 1e-7;

    /** Pieces that products are cut in, whatever the number of threads. */
    private static final int PIECES = 16;

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;

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

    /** Reads the rows. @return how well the basis suits them; empty if they are all zero */
    Optional<BasisFit> read(Transform transform, List<Tile> tiles, KltCodec codec, KvCache cache, FitOptions options) throws IOException {
        int[] starts = new int[tiles.size()];
        // One for each tile: their sum must not depend on who comes first.
        double[][] fits = new double[tiles.size()][];
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
                        fits[t] = read(transform, tiles.get(t), starts[t], input.read(tiles.get(t), scratch), coder);
                    }
                }
                return null;
            });
        }
        GroupJobs.run(options.threads(), jobs);
        double[] sums = new double[BasisFit.SUMS];
        for (double[] fit : fits) {
            Arrays.setAll(sums, i -> sums[i] + fit[i]);
        }
        return BasisFit.of(sums);
    }

    private double[] read(Transform transform, Tile tile, int start, List<TileTensor> tensors, KltCoder coder) {
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
            return new double[BasisFit.SUMS];
        }
        int width = others.width();
        int components = others.components();
        try (GrowingBuffer lessBuffer = new GrowingBuffer(); GrowingBuffer coefficientBuffer = new GrowingBuffer()) {
            MemorySegment less = lessBuffer.atLeast(4L * taken * width);
            MemorySegment coefficients = coefficientBuffer.atLeast(Math.max(4, 4L * taken * components));
            double[] fit = coder.project(transform, Arrays.copyOf(kept, taken), less, coefficients);
            for (int i = 0; i < taken; i++) {
                int row = row(start + kept[i]);
                factors[row] = TokenScale.factor(symbols[kept[i]]);
                scale(less, i, width, 1 / factors[row], rows, row);
                scale(coefficients, i, components, 1 / factors[row], inside, row);
            }
            return fit;
        }
    }

    OwnSpectrum spectrum(int most, FitOptions options, Arena arena) throws IOException {
        // One thread a piece: the result must not depend on how many there are.
        LinearAlgebra algebra = LinearAlgebras.best(1);
        int fitted = count - held;
        int width = others.width();
        try (Arena temporary = Arena.ofShared(); Eigen eigen = algebra.largest(gram(fitted, algebra, options, temporary), fitted, most, ProgressListener.NONE)) {
            int directions = 0;
            while (directions < most && eigen.value(directions) > LEAST_VALUE * eigen.value(0)) {
                directions++;
            }
            if (directions == 0) {
                return OwnSpectrum.none(tokens);
            }
            MemorySegment vectors = vectors(directions, fitted, eigen, algebra, options, arena);
            for (int k = 0; k < directions; k++) {
                double square = options.kernels().vectors().squares(vectors.asSlice(4L * k * width), 1, width);
                scale(vectors, k, width, (float) (1 / Math.sqrt(square)), vectors, k);
            }
            return weighed(directions, vectors, algebra, eigen, options, temporary);
        }
    }

    /** Products of the rests that take part, f64, the upper triangle. */
    private MemorySegment gram(int fitted, LinearAlgebra algebra, FitOptions options, Arena temporary) throws IOException {
        int width = others.width();
        int components = others.components();
        MemorySegment gram = temporary.allocate(8L * fitted * fitted, 64);
        MemorySegment products = temporary.allocate(4L * fitted * fitted, 64);
        MemorySegment corrected = temporary.allocate(Math.max(4, 4L * fitted * components), 64);
        options.kernels().vectors().combine(VectorKernel.Step.MULTIPLY, inside, fitted, excess(), corrected);
        pieces(options.threads(), fitted, (first, size) -> {
            int behind = fitted - first;
            MemorySegment block = products.asSlice(4L * first * fitted);
            algebra.gemm(false, true, size, behind, width, 1, row(rows, first, width), width, row(rows, first, width), width, 0, block, behind);
            algebra.gemm(false, true, size, behind, components, -1, row(corrected, first, components), Math.max(1, components), row(inside, first, components), Math.max(1, components), 1,
                    block, behind);
            float[] line = new float[behind];
            for (int i = 0; i < size; i++) {
                MemorySegment.copy(block, Transform.FLOAT, 4L * i * behind, line, 0, behind);
                for (int j = i; j < behind; j++) {
                    gram.set(DOUBLE, 8 * ((long) (first + i) * fitted + first + j), line[j]);
                }
            }
        });
        return gram;
    }

    /** What each product of coefficients takes away: 2 - |u|^2. */
    private float[] excess() {
        float[] excess = new float[others.components()];
        byte[] codes = new byte[others.width()];
        int runs = TransformBasis.runs(others.width());
        for (int k = 0; k < excess.length; k++) {
            MemorySegment.copy(others.codes(), ValueLayout.JAVA_BYTE, (long) k * codes.length, codes, 0, codes.length);
            double square = 0;
            for (int w = 0; w < codes.length; w++) {
                float scale = Float.float16ToFloat(others.scales().get(SHORT, 2 * ((long) k * runs + w / TransformBasis.RUN)));
                square += Math.pow((double) scale * codes[w], 2);
            }
            excess[k] = (float) (2 - square);
        }
        return excess;
    }

    /** Rests, added up as the eigenvectors say. */
    private MemorySegment vectors(int directions, int fitted, Eigen eigen, LinearAlgebra algebra, FitOptions options, Arena arena) throws IOException {
        int width = others.width();
        int components = others.components();
        MemorySegment vectors = arena.allocate(4L * directions * width, 64);
        pieces(options.threads(), width, (first, size) -> algebra.gemm(false, false, directions, size, fitted, 1, eigen.vectors(), fitted, rows.asSlice(4L * first), width, 0,
                vectors.asSlice(4L * first), width));
        try (GrowingBuffer buffer = new GrowingBuffer(); TransformScratch scratch = new TransformScratch()) {
            MemorySegment sums = buffer.atLeast(Math.max(4, 4L * directions * components));
            algebra.gemm(false, false, directions, components, fitted, -1, eigen.vectors(), fitted, inside, Math.max(1, components), 0, sums, Math.max(1, components));
            options.kernels().transform().synthesize(others, sums, 0, components, vectors, 0, width, directions, scratch);
        }
        return vectors;
    }

    /** What the directions hold: of tokens that they come from, and of others, each for their share. */
    private OwnSpectrum weighed(int directions, MemorySegment vectors, LinearAlgebra algebra, Eigen eigen, FitOptions options, Arena temporary) {
        int fitted = count - held;
        MemorySegment outside = outside(directions, vectors, algebra, options, temporary);
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
                double coefficient = outside.get(Transform.FLOAT, 4L * ((long) t * directions + k));
                square += (1 - known) / held * coefficient * coefficient;
                plain += (1 - known) / held * Math.pow(coefficient * factors[fitted + t], 2);
            }
            scaled[k] = Math.sqrt(square);
            deviations[k] = Math.sqrt(plain);
        }
        return new OwnSpectrum(tokens, scaled, deviations, vectors);
    }

    /** Coefficients of the rests that took no part, f32 {@code [held][directions]}. */
    private MemorySegment outside(int directions, MemorySegment vectors, LinearAlgebra algebra, FitOptions options, Arena temporary) {
        int width = others.width();
        int components = others.components();
        MemorySegment outside = temporary.allocate(Math.max(4, 4L * held * directions), 64);
        MemorySegment common = temporary.allocate(Math.max(4, 4L * directions * components), 64);
        try (TransformScratch scratch = new TransformScratch()) {
            options.kernels().transform().analyze(others, vectors, 0, width, common, 0, components, directions, scratch);
        }
        int first = count - held;
        algebra.gemm(false, true, held, directions, width, 1, row(rows, first, width), width, vectors, width, 0, outside, directions);
        algebra.gemm(false, true, held, directions, components, -1, row(inside, first, components), Math.max(1, components), common, Math.max(1, components), 1, outside, directions);
        return outside;
    }

    /** A row times a number; may be in place. */
    private static void scale(MemorySegment from, int row, int width, float factor, MemorySegment to, int toRow) {
        float[] values = new float[width];
        MemorySegment.copy(from, Transform.FLOAT, 4L * row * width, values, 0, width);
        for (int w = 0; w < width; w++) {
            values[w] *= factor;
        }
        MemorySegment.copy(values, 0, to, Transform.FLOAT, 4L * toRow * width, width);
    }

    private static MemorySegment row(MemorySegment matrix, int row, int width) {
        return matrix.asSlice(4L * row * width);
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
