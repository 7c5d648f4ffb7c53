package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** The boundary checks both quantization providers share. */
final class QuantBounds {
    private QuantBounds() {}

    static void quantize(QuantShape shape, MemorySegment rows, long rowsOffset, MemorySegment codes, long codesOffset,
            MemorySegment zeros, long zerosOffset, MemorySegment steps, long stepsOffset) {
        Bounds.check(rows, rowsOffset, shape.rowBytes());
        Bounds.checkWritable(codes, codesOffset, shape.codeBytes());
        Bounds.checkWritable(zeros, zerosOffset, 2 * shape.parameters());
        Bounds.checkWritable(steps, stepsOffset, 2 * shape.parameters());
    }

    static void dequantize(ConvertKernel convert, QuantShape shape, MemorySegment codes, long codesOffset, MemorySegment zeros,
            long zerosOffset, MemorySegment steps, long stepsOffset, MemorySegment rows, long rowsOffset) {
        Bounds.check(codes, codesOffset, shape.codeBytes());
        Bounds.check(zeros, zerosOffset, 2 * shape.parameters());
        Bounds.check(steps, stepsOffset, 2 * shape.parameters());
        Bounds.checkWritable(rows, rowsOffset, shape.rowBytes());
        requireFinite(convert, shape.parameter(), zeros, zerosOffset, shape.parameters(), "zero points");
        requireFinite(convert, shape.parameter(), steps, stepsOffset, shape.parameters(), "steps");
    }

    /** Arithmetic on NaN gives different bytes on different machines, so a damaged parameter is refused, not decoded. */
    static void requireFinite(ConvertKernel convert, ElementType type, MemorySegment segment, long offset, long count, String what) {
        if (!convert.allFinite(type, segment, offset, count)) {
            throw new IllegalArgumentException(what + " hold an infinity or NaN");
        }
    }
}
