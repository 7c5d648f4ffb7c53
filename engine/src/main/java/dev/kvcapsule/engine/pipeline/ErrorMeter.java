package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Measures what coding did to a tensor. Plain loops over small arrays: C2 vectorizes them, and they are fast from the start. */
final class ErrorMeter implements AutoCloseable {
    /** Rows are compared in pieces of about this many elements, which stay in the first-level cache. */
    private static final int PIECE = 4096;

    private final DeviceKernel device;
    private final Kernels kernels;
    private final GrowingBuffer buffer = new GrowingBuffer();
    private float[] x = new float[0];
    private float[] y = new float[0];

    ErrorMeter(Kernels kernels) {
        this.device = kernels.device();
        this.kernels = kernels.onHost();
    }

    /** Rows that are summed up in binary32 before they go into a double: part of what makes a capsule's bytes. */
    private static int pieceRows(int width) {
        return Math.max(1, PIECE / width);
    }

    /**
     * @param lossless the two are known to be equal, so that only the squares are wanted
     * @param sums receives the sum of squared errors and the sum of squares, over finite values
     * @return whether every decoded value is finite; true if lossless
     */
    boolean measure(TileTensor original, TileTensor decoded, boolean lossless, double[] sums) {
        if (device != null && (device.memory().isDevice(original.rows()) || device.memory().isDevice(decoded.rows()))) {
            boolean finite = device.measure(original.rows(), decoded.rows(), ElementType.of(original.type()), original.elements(),
                    pieceRows(original.width()) * original.width(), sums);
            sums[1] = Double.isFinite(sums[1]) ? sums[1] : 0;
            return finite;
        }
        long rowBytes = original.layer().rowBytes(original.part());
        int rows = pieceRows(original.width());
        double squaredError = 0;
        double square = 0;
        for (int row = 0; row < original.tokens(); row += rows) {
            int count = Math.min(rows, original.tokens() - row);
            int elements = count * original.width();
            if (x.length < elements) {
                x = new float[elements];
                y = new float[elements];
            }
            load(original, row * rowBytes, count * rowBytes, elements, x);
            if (lossless) {
                square += squares(x, elements);
            } else {
                load(decoded, row * rowBytes, count * rowBytes, elements, y);
                double error = squaredErrors(x, y, elements);
                if (!Double.isFinite(error)) {
                    return false;
                }
                squaredError += error;
                square += squares(x, elements);
            }
        }
        sums[0] = squaredError;
        sums[1] = Double.isFinite(square) ? square : 0;
        return true;
    }

    private void load(TileTensor tensor, long offset, long bytes, int elements, float[] out) {
        MemorySegment floats = buffer.atLeast((long) elements * Float.BYTES);
        RowFloats.toF32(kernels, tensor.type(), tensor.rows().asSlice(offset, bytes), elements, floats);
        MemorySegment.copy(floats, ValueLayout.JAVA_FLOAT, 0, out, 0, elements);
    }

    /** Eight sums side by side: a single one would have to be added in order, one element at a time. */
    private static double squaredErrors(float[] x, float[] y, int n) {
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
        int i = 0;
        for (; i + 8 <= n; i += 8) {
            float d0 = x[i] - y[i], d1 = x[i + 1] - y[i + 1], d2 = x[i + 2] - y[i + 2], d3 = x[i + 3] - y[i + 3];
            float d4 = x[i + 4] - y[i + 4], d5 = x[i + 5] - y[i + 5], d6 = x[i + 6] - y[i + 6], d7 = x[i + 7] - y[i + 7];
            s0 += d0 * d0;
            s1 += d1 * d1;
            s2 += d2 * d2;
            s3 += d3 * d3;
            s4 += d4 * d4;
            s5 += d5 * d5;
            s6 += d6 * d6;
            s7 += d7 * d7;
        }
        double sum = ((double) s0 + s1) + ((double) s2 + s3) + ((double) s4 + s5) + ((double) s6 + s7);
        for (; i < n; i++) {
            sum += (double) (x[i] - y[i]) * (x[i] - y[i]);
        }
        return sum;
    }

    private static double squares(float[] x, int n) {
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        int i = 0;
        for (; i + 4 <= n; i += 4) {
            s0 += x[i] * x[i];
            s1 += x[i + 1] * x[i + 1];
            s2 += x[i + 2] * x[i + 2];
            s3 += x[i + 3] * x[i + 3];
        }
        double sum = ((double) s0 + s1) + ((double) s2 + s3);
        for (; i < n; i++) {
            sum += (double) x[i] * x[i];
        }
        return sum;
    }

    @Override
    public void close() {
        buffer.close();
    }
}
