package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/** {@link ConvertKernel} with the Vector API, which has no f16 conversion: there the plain loop, which C2 vectorizes, is the fast path. */
public final class PanamaConvert implements ConvertKernel {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int INTS = VectorWidth.INT.length();
    private static final int SHORTS = VectorWidth.SHORT.length();
    private static final ScalarConvert SCALAR = new ScalarConvert();
    /** Values looked at between two tests for an early end. */
    private static final long RUN = 1 << 15;

    /** Creates the kernel; it has no state. */
    public PanamaConvert() {}

    @Override
    public void toF32(ElementType type, MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        long done = 0;
        if (type == ElementType.BF16) {
            Bounds.check(source, sourceOffset, Math.multiplyExact(count, 2));
            Bounds.checkWritable(target, targetOffset, Math.multiplyExact(count, 4));
            for (; done <= count - INTS; done += INTS) {
                ShortVector bits = ShortVector.fromMemorySegment(VectorWidth.SHORT_FOR_INT, source, sourceOffset + 2 * done, LE);
                IntVector wide = (IntVector) bits.convertShape(VectorOperators.ZERO_EXTEND_S2I, VectorWidth.INT, 0);
                wide.lanewise(VectorOperators.LSHL, 16).intoMemorySegment(target, targetOffset + 4 * done, LE);
            }
        }
        SCALAR.toF32(type, source, sourceOffset + type.bytes() * done, target, targetOffset + 4 * done, count - done);
    }

    @Override
    public void fromF32(ElementType type, MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        long done = 0;
        if (type == ElementType.BF16) {
            Bounds.check(source, sourceOffset, Math.multiplyExact(count, 4));
            Bounds.checkWritable(target, targetOffset, Math.multiplyExact(count, 2));
            for (; done <= count - INTS; done += INTS) {
                FloatVector value = FloatVector.fromMemorySegment(VectorWidth.FLOAT, source, sourceOffset + 4 * done, LE);
                toBf16(value).intoMemorySegment(target, targetOffset + 2 * done, LE);
            }
        }
        SCALAR.fromF32(type, source, sourceOffset + 4 * done, target, targetOffset + type.bytes() * done, count - done);
    }

    /** {@link FloatBits#toBf16} on every lane. */
    static ShortVector toBf16(FloatVector value) {
        IntVector bits = value.reinterpretAsInts();
        IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
        IntVector rounded = bits.add(odd).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
        IntVector quiet = bits.lanewise(VectorOperators.LSHR, 16).or(0x40);
        IntVector result = rounded.blend(quiet, value.compare(VectorOperators.NE, value).cast(VectorWidth.INT));
        return (ShortVector) result.convertShape(VectorOperators.I2S, VectorWidth.SHORT_FOR_INT, 0);
    }

    @Override
    public boolean allFinite(ElementType type, MemorySegment segment, long offset, long count) {
        Bounds.check(segment, offset, Math.multiplyExact(count, type.bytes()));
        long done = 0;
        if (type == ElementType.F32) {
            while (done <= count - INTS) {
                long end = Math.min(count - INTS + 1, done + RUN);
                IntVector top = IntVector.zero(VectorWidth.INT);
                for (; done < end; done += INTS) {
                    top = top.max(IntVector.fromMemorySegment(VectorWidth.INT, segment, offset + 4 * done, LE).and(0x7f800000));
                }
                if (top.reduceLanes(VectorOperators.MAX) == 0x7f800000) {
                    return false;
                }
            }
        } else {
            short exponent = (short) (type == ElementType.F16 ? 0x7c00 : 0x7f80);
            while (done <= count - SHORTS) {
                long end = Math.min(count - SHORTS + 1, done + RUN);
                ShortVector top = ShortVector.zero(VectorWidth.SHORT);
                for (; done < end; done += SHORTS) {
                    top = top.max(ShortVector.fromMemorySegment(VectorWidth.SHORT, segment, offset + 2 * done, LE).and(exponent));
                }
                if (top.reduceLanes(VectorOperators.MAX) == exponent) {
                    return false;
                }
            }
        }
        return SCALAR.allFinite(type, segment, offset + type.bytes() * done, count - done);
    }
}
