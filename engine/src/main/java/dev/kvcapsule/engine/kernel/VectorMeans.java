package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** {@link ChannelMeans} with the Vector API: some rows at a time, so that sums stay in registers while these are added. */
final class VectorMeans {
    /** Values of a block of rows, about. */
    private static final int BLOCK = 3072;
    private static final int LANES = VectorWidth.FLOAT.length();

    private VectorMeans() {}

    static void write(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset) {
        Bounds.check(rows, rowsOffset, shape.rowBytes());
        Bounds.checkWritable(means, meansOffset, 2L * shape.channels());
        int channels = shape.channels();
        int block = Math.max(1, BLOCK / channels);
        float[] sums = new float[channels];
        float[] x = new float[block * channels];
        for (int token = 0; token < shape.tokens(); token += block) {
            int count = Math.min(block, shape.tokens() - token);
            RowStore.load(shape.rows(), rows, rowsOffset + (long) token * channels * shape.rows().bytes(), channels, x, channels, count);
            add(sums, x, count);
        }
        ChannelMeans.finish(shape, sums, means, meansOffset);
    }

    private static void add(float[] sums, float[] x, int count) {
        int c = 0;
        for (; c <= sums.length - LANES; c += LANES) {
            FloatVector sum = FloatVector.fromArray(VectorWidth.FLOAT, sums, c);
            for (int t = 0, i = c; t < count; t++, i += sums.length) {
                sum = sum.add(FloatVector.fromArray(VectorWidth.FLOAT, x, i));
            }
            sum.intoArray(sums, c);
        }
        for (; c < sums.length; c++) {
            for (int t = 0; t < count; t++) {
                sums[c] += x[t * sums.length + c];
            }
        }
    }
}
