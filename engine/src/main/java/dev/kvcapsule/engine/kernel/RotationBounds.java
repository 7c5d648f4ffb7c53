package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** The boundary checks both rotation providers share. */
final class RotationBounds {
    private RotationBounds() {}

    static void encode(ConvertKernel convert, RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means,
            long meansOffset, MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset) {
        Bounds.check(rows, rowsOffset, shape.rowBytes());
        Bounds.checkWritable(codes, codesOffset, shape.codeBytes());
        Bounds.checkWritable(gains, gainsOffset, 2 * shape.gains());
        means(convert, shape, means, meansOffset);
    }

    static void decode(ConvertKernel convert, RotationShape shape, MemorySegment codes, long codesOffset, MemorySegment gains,
            long gainsOffset, MemorySegment means, long meansOffset, MemorySegment rows, long rowsOffset) {
        Bounds.check(codes, codesOffset, shape.codeBytes());
        Bounds.check(gains, gainsOffset, 2 * shape.gains());
        Bounds.checkWritable(rows, rowsOffset, shape.rowBytes());
        QuantBounds.requireFinite(convert, shape.parameter(), gains, gainsOffset, shape.gains(), "gains");
        means(convert, shape, means, meansOffset);
    }

    private static void means(ConvertKernel convert, RotationShape shape, MemorySegment means, long meansOffset) {
        if (shape.centered()) {
            Bounds.check(means, meansOffset, 2L * shape.channels());
            QuantBounds.requireFinite(convert, shape.parameter(), means, meansOffset, shape.channels(), "means");
        }
    }
}
