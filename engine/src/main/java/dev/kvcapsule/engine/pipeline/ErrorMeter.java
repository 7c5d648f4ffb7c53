package dev.kvcapsule.engine.pipeline;

import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.DeviceKernel;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.ErrorSums;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Measures what coding did to a tensor. */
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
                square += ErrorSums.squares(x, elements);
            } else {
                load(decoded, row * rowBytes, count * rowBytes, elements, y);
                double error = ErrorSums.squaredErrors(x, y, elements);
                if (!Double.isFinite(error)) {
                    return false;
                }
                squaredError += error;
                square += ErrorSums.squares(x, elements);
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

    @Override
    public void close() {
        buffer.close();
    }
}
