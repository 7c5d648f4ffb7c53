package dev.kvcapsule.engine.compare;

import java.util.stream.IntStream;

/** Adds up how one tensor differs from another of the same shape, row by row. */
public final class TensorDifference {
    private double squaredError;
    private double squares;
    private double otherSquares;
    private double products;
    private double worstRow = -1;
    private long worstToken = -1;
    private long rows;
    private boolean finite = true;

    TensorDifference() {}

    /** Adds a token's row. */
    void add(long token, float[] a, float[] b, int offset, int width) {
        double error = 0;
        double square = 0;
        double other = 0;
        double product = 0;
        for (int i = offset; i < offset + width; i++) {
            double d = (double) b[i] - a[i];
            error += d * d;
            square += (double) a[i] * a[i];
            other += (double) b[i] * b[i];
            product += (double) a[i] * b[i];
        }
        rows++;
        if (!Double.isFinite(error + square)) {
            // A row with infinities or NaN has no distance: it counts as equal if its bits are, else as infinitely far.
            boolean same = IntStream.range(offset, offset + width).allMatch(i -> Float.floatToRawIntBits(a[i]) == Float.floatToRawIntBits(b[i]));
            finite &= same;
            return;
        }
        squaredError += error;
        squares += square;
        otherSquares += other;
        products += product;
        double relative = error == 0 ? 0 : Math.sqrt(error / square);
        if (relative > worstRow) {
            worstRow = relative;
            worstToken = token;
        }
    }

    /** Adds what another instance has added up over other rows of other tensors. */
    void add(TensorDifference other) {
        squaredError += other.squaredError;
        squares += other.squares;
        otherSquares += other.otherSquares;
        products += other.products;
        rows += other.rows;
        finite &= other.finite;
        if (other.worstRow > worstRow) {
            worstRow = other.worstRow;
            worstToken = other.worstToken;
        }
    }

    /** sqrt(sum (b - a)^2 / sum a^2): 0 if equal. */
    public double relativeError() {
        if (!finite) {
            return Double.POSITIVE_INFINITY;
        }
        return squaredError == 0 ? 0 : Math.sqrt(squaredError / squares);
    }

    /** Signal-to-noise ratio in decibels; infinite if equal. */
    public double snr() {
        return -20 * Math.log10(relativeError());
    }

    /** Cosine of the angle between the two tensors as vectors; 1 if equal. */
    public double cosine() {
        return squaredError == 0 ? 1 : products / Math.sqrt(squares * otherSquares);
    }

    /** Relative error of the row that has the largest one; 0 if there is no row. */
    public double worstRowError() {
        return Math.max(worstRow, 0);
    }

    /** The token whose row that is, counted from 0 in order of position; -1 if there is none. */
    public long worstToken() {
        return worstToken;
    }
}
