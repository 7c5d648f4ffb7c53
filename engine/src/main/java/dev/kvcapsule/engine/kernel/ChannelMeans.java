package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** The per-channel means of a slice, for a centered {@link RotationShape}. The specification, in plain loops. */
public final class ChannelMeans {
    private ChannelMeans() {}

    /**
     * Writes the mean of each channel: binary32 sum in token order, divided by the tokens, rounded half to even and clamped to the
     * parameter format; a mean that is not finite (an infinity or NaN among the values, or no tokens) is written as 0.
     *
     * @param shape       the slice
     * @param rows        native segment with {@code shape.rowBytes()} bytes of rows
     * @param rowsOffset  bytes to the first row
     * @param means       native segment for {@code shape.channels()} 16-bit means
     * @param meansOffset bytes to the first mean
     * @throws IllegalArgumentException  if a segment is on the heap or the output read-only
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    public static void write(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset) {
        Bounds.check(rows, rowsOffset, shape.rowBytes());
        Bounds.checkWritable(means, meansOffset, 2L * shape.channels());
        int channels = shape.channels();
        float[] sums = new float[channels];
        float[] row = new float[channels];
        for (int token = 0; token < shape.tokens(); token++) {
            RowStage.load(shape.rows(), rows, rowsOffset + (long) token * channels * shape.rows().bytes(), row, 0, channels);
            add(sums, row);
        }
        finish(shape, sums, means, meansOffset);
    }

    /** Writes the means of what {@code sums} holds. */
    static void finish(RotationShape shape, float[] sums, MemorySegment means, long meansOffset) {
        for (int c = 0; c < shape.channels(); c++) {
            float mean = sums[c] / shape.tokens();
            means.set(Bounds.SHORT, meansOffset + 2L * c, Float.isFinite(mean) ? FloatBits.nearest16(shape.parameter(), mean) : 0);
        }
    }

    private static void add(float[] sums, float[] row) {
        for (int c = 0; c < sums.length; c++) {
            sums[c] += row[c];
        }
    }
}
