package dev.kvcapsule.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * {@link QuantKernel} with the Vector API. Rows that are not a whole number of code units are staged through padded ones; slices
 * with a group that is out of the ordinary (an infinity, a range beyond the format) go to {@link ScalarQuant} whole.
 */
public final class PanamaQuant implements QuantKernel {
    private static final ConvertKernel CONVERT = new PanamaConvert();
    private static final QuantKernel SCALAR = new ScalarQuant();

    /** Creates the kernel; it has no state. */
    public PanamaQuant() {}

    @Override
    public long quantize(QuantShape shape, MemorySegment rows, long rowsOffset, MemorySegment codes, long codesOffset,
            MemorySegment zeros, long zerosOffset, MemorySegment steps, long stepsOffset) {
        QuantBounds.quantize(shape, rows, rowsOffset, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset);
        boolean done;
        if (shape.channels() % CodeUnits.CODES == 0) {
            done = new GroupEncoder(shape, shape, rows, rowsOffset, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset).run();
        } else {
            QuantShape padded = RowPadding.widen(shape);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment wide = RowPadding.pad(shape, rows, rowsOffset, arena);
                done = new GroupEncoder(padded, shape, wide, 0, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset).run();
            }
            RowPadding.clearCodes(shape, codes, codesOffset);
        }
        return done ? 0 : SCALAR.quantize(shape, rows, rowsOffset, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset);
    }

    @Override
    public void dequantize(QuantShape shape, MemorySegment codes, long codesOffset, MemorySegment zeros, long zerosOffset,
            MemorySegment steps, long stepsOffset, MemorySegment rows, long rowsOffset) {
        QuantBounds.dequantize(CONVERT, shape, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset, rows, rowsOffset);
        new GroupDecoder(shape, codes, codesOffset, zeros, zerosOffset, steps, stepsOffset, rows, rowsOffset).run();
    }
}
