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
        while (done < count) {
            int run = (int) Math.min(RUN, count - done);
            long at = offset + type.bytes() * done;
            boolean finite = switch (type) {
                case F16 -> finite16(segment, at, run, (short) 0x7c00);
                case BF16 -> finite16(segment, at, run, (short) 0x7f80);
                case F32 -> finite32(segment, at, run);
            };
            int whole = run - run % (type == ElementType.F32 ? INTS : SHORTS);
            if (!finite || !SCALAR.allFinite(type, segment, at + (long) type.bytes() * whole, run - whole)) {
                return false;
            }
            done += run;
        }
        return true;
    }

    // Counters are ints: C2 takes the range checks of a segment out of such loops only.

    private static boolean finite16(MemorySegment segment, long at, int count, short exponent) {
        ShortVector top = ShortVector.zero(VectorWidth.SHORT);
        for (int i = 0; i <= count - SHORTS; i += SHORTS) {
            top = top.max(ShortVector.fromMemorySegment(VectorWidth.SHORT, segment, at + 2L * i, LE).and(exponent));
        }
        return top.reduceLanes(VectorOperators.MAX) != exponent;
    }

    /** {@return the largest of {@code count} f16 without their signs, as bits} */
    static short largest16(MemorySegment segment, long at, int count) {
        ShortVector top = ShortVector.zero(VectorWidth.SHORT);
        int i = 0;
        for (; i <= count - SHORTS; i += SHORTS) {
            top = top.max(ShortVector.fromMemorySegment(VectorWidth.SHORT, segment, at + 2L * i, LE).and(Short.MAX_VALUE));
        }
        int largest = top.reduceLanes(VectorOperators.MAX);
        for (; i < count; i++) {
            largest = Math.max(largest, segment.get(Bounds.SHORT, at + 2L * i) & Short.MAX_VALUE);
        }
        return (short) largest;
    }

    private static boolean finite32(MemorySegment segment, long at, int count) {
        IntVector top = IntVector.zero(VectorWidth.INT);
        for (int i = 0; i <= count - INTS; i += INTS) {
            top = top.max(IntVector.fromMemorySegment(VectorWidth.INT, segment, at + 4L * i, LE).and(0x7f800000));
        }
        return top.reduceLanes(VectorOperators.MAX) != 0x7f800000;
    }
}
