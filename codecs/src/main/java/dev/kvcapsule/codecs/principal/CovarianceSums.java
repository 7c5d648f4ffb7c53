package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * What a {@link Covariance} wrote, in place: sums of vectors x and of their products, both about an origin o.
 *
 * @param rows vectors, at least 0
 * @param origin o, {@code [width]}
 * @param sums of x - o, {@code [width]}
 * @param triangle of (x - o)(x - o)', f64, row after row of the upper triangle from the diagonal on
 */
public record CovarianceSums(long rows, float[] origin, double[] sums, MemorySegment triangle) {
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * The next three sections of a file.
     *
     * @throws MalformedDataException if they do not fit it, a number is not finite, or a sum of squares negative
     */
    public static CovarianceSums read(BasisFileReader reader, int width, long rows) throws MalformedDataException {
        CovarianceSums read = new CovarianceSums(rows, reader.floats(width), reader.doubles(width), reader.finite64((long) width * (width + 1) / 2));
        for (int i = 0; i < width; i++) {
            if (read.triangle.get(DOUBLE, 8 * read.diagonal(i)) < 0) {
                throw new MalformedDataException("the sum of squares of channel " + i + " is negative");
            }
        }
        return read;
    }

    /** Where row i begins in the triangle: the rows before have width, width - 1, ... numbers. */
    private long diagonal(int i) {
        return (long) i * sums.length - (long) i * (i - 1) / 2;
    }

    /** Row i of the triangle, to where it would be in a whole matrix. */
    void row(int i, double[] row) {
        MemorySegment.copy(triangle, DOUBLE, 8 * diagonal(i), row, i, row.length - i);
    }
}
