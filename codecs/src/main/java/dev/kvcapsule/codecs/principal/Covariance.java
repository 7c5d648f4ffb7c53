package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Mean and covariance of vectors that come in batches. Takes 8 n^2 bytes for vectors of n channels, and 4 n for each of up to
 * {@value LinearAlgebra#GRAM_ROWS} vectors that wait: adding to the matrix costs as much for a few rows as for many.
 */
public final class Covariance implements AutoCloseable {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;

    private final MemorySegment gram;
    private final double[] sums;
    /** The first batch's mean: near the mean of all, so that products in binary32 lose little. */
    private float[] origin;
    private final GrowingBuffer pending = new GrowingBuffer();
    private int pendingRows;
    private long rows;

    /** @param arena owns the matrix */
    public Covariance(int width, Arena arena) {
        this.sums = new double[width];
        this.gram = arena.allocate(8L * width * width, 64);
    }

    /** Channels of a vector. */
    public int width() {
        return sums.length;
    }

    /** Vectors added. */
    public long rows() {
        return rows;
    }

    /**
     * Adds vectors.
     *
     * @param vectors finite f32 {@code [tokens][width]}; holds anything afterwards
     */
    public void add(MemorySegment vectors, int tokens, LinearAlgebra algebra) {
        int width = sums.length;
        if (origin == null) {
            origin = mean(vectors, tokens, width);
        }
        for (int t = 0; t < tokens; t++) {
            for (int w = 0; w < width; w++) {
                long at = 4 * ((long) t * width + w);
                float value = vectors.get(FLOAT, at) - origin[w];
                vectors.set(FLOAT, at, value);
                sums[w] += value;
            }
        }
        if (pendingRows > 0 && pendingRows + tokens > LinearAlgebra.GRAM_ROWS) {
            flush(algebra);
        }
        if (pendingRows + tokens > LinearAlgebra.GRAM_ROWS) {
            algebra.accumulateGram(vectors, tokens, width, gram);
        } else {
            MemorySegment.copy(vectors, 0, pending.atLeast(4L * LinearAlgebra.GRAM_ROWS * width), 4L * pendingRows * width, 4L * tokens * width);
            pendingRows += tokens;
        }
        rows += tokens;
    }

    /**
     * Adds vectors that were added up elsewhere: sums about another origin are carried to the one here, in binary64.
     *
     * @throws IllegalArgumentException if they are of another width
     */
    public void add(CovarianceSums other) {
        int n = sums.length;
        if (other.sums().length != n) {
            throw new IllegalArgumentException("vectors of " + other.sums().length + " channels, not " + n);
        }
        if (other.rows() == 0) {
            return;
        }
        if (origin == null) {
            origin = other.origin().clone();
        }
        double[] shift = new double[n];
        for (int i = 0; i < n; i++) {
            shift[i] = (double) other.origin()[i] - origin[i];
        }
        double[] mine = new double[n];
        double[] theirs = new double[n];
        for (int i = 0; i < n; i++) {
            long at = 8 * ((long) i * n + i);
            MemorySegment.copy(gram, DOUBLE, at, mine, i, n - i);
            other.row(i, theirs);
            double moved = other.sums()[i] + other.rows() * shift[i];
            for (int j = i; j < n; j++) {
                mine[j] += theirs[j] + (shift[i] * other.sums()[j] + moved * shift[j]);
            }
            MemorySegment.copy(mine, i, gram, DOUBLE, at, n - i);
            sums[i] += moved;
        }
        rows += other.rows();
    }

    /** Writes what was added, as {@link CovarianceSums} reads it. */
    public void write(BasisFileWriter out, LinearAlgebra algebra) throws IOException {
        flush(algebra);
        int n = sums.length;
        out.section(origin == null ? new float[n] : origin);
        out.section(sums);
        out.begin();
        for (int i = 0; i < n; i++) {
            out.append(gram.asSlice(8 * ((long) i * n + i), 8L * (n - i)));
        }
    }

    private void flush(LinearAlgebra algebra) {
        algebra.accumulateGram(pending.atLeast(0), pendingRows, sums.length, gram);
        pendingRows = 0;
    }

    private static float[] mean(MemorySegment vectors, int tokens, int width) {
        float[] mean = new float[width];
        for (int w = 0; w < width; w++) {
            double sum = 0;
            for (int t = 0; t < tokens; t++) {
                sum += vectors.get(FLOAT, 4 * ((long) t * width + w));
            }
            mean[w] = (float) (sum / tokens);
        }
        return mean;
    }

    /** The vectors' mean; zeros if there are none. */
    public float[] mean() {
        float[] mean = new float[sums.length];
        for (int w = 0; w < mean.length && rows > 0; w++) {
            mean[w] = (float) (sums[w] / rows) + origin[w];
        }
        return mean;
    }

    /**
     * Turns the sums into the covariance about the mean; nothing can be added afterwards.
     *
     * @return f64 {@code [width][width]}
     */
    public MemorySegment matrix(LinearAlgebra algebra) {
        flush(algebra);
        pending.close();
        int n = sums.length;
        double count = Math.max(1, rows);
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                long at = 8 * ((long) i * n + j);
                double covariance = gram.get(ValueLayout.JAVA_DOUBLE, at) / count - sums[i] / count * (sums[j] / count);
                gram.set(ValueLayout.JAVA_DOUBLE, at, covariance);
                gram.set(ValueLayout.JAVA_DOUBLE, 8 * ((long) j * n + i), covariance);
            }
        }
        return gram;
    }

    @Override
    public void close() {
        pending.close();
    }
}
