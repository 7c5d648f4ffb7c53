package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** {@link ConvertKernel} in plain loops; C2 turns the f16 ones into {@code vcvtph2ps} and {@code vcvtps2ph}. */
public final class ScalarConvert implements ConvertKernel {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    /** Values converted by one inner loop: its counter must be an int to be vectorized. */
    private static final int RUN = 1 << 16;

    /** Creates the kernel; it has no state. */
    public ScalarConvert() {}

    @Override
    public void toF32(ElementType type, MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        Bounds.check(source, sourceOffset, Math.multiplyExact(count, type.bytes()));
        Bounds.checkWritable(target, targetOffset, Math.multiplyExact(count, 4));
        if (type == ElementType.F32) {
            MemorySegment.copy(source, sourceOffset, target, targetOffset, 4 * count);
            return;
        }
        for (long done = 0; done < count; done += RUN) {
            int run = (int) Math.min(RUN, count - done);
            if (type == ElementType.F16) {
                halfToFloat(source, sourceOffset + 2 * done, target, targetOffset + 4 * done, run);
            } else {
                bfloatToFloat(source, sourceOffset + 2 * done, target, targetOffset + 4 * done, run);
            }
        }
    }

    @Override
    public void fromF32(ElementType type, MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, long count) {
        Bounds.check(source, sourceOffset, Math.multiplyExact(count, 4));
        Bounds.checkWritable(target, targetOffset, Math.multiplyExact(count, type.bytes()));
        if (type == ElementType.F32) {
            MemorySegment.copy(source, sourceOffset, target, targetOffset, 4 * count);
            return;
        }
        for (long done = 0; done < count; done += RUN) {
            int run = (int) Math.min(RUN, count - done);
            if (type == ElementType.F16) {
                floatToHalf(source, sourceOffset + 4 * done, target, targetOffset + 2 * done, run);
            } else {
                floatToBfloat(source, sourceOffset + 4 * done, target, targetOffset + 2 * done, run);
            }
        }
    }

    @Override
    public boolean allFinite(ElementType type, MemorySegment segment, long offset, long count) {
        Bounds.check(segment, offset, Math.multiplyExact(count, type.bytes()));
        for (long i = 0; i < count; i++) {
            boolean finite = switch (type) {
                case F16 -> (segment.get(Bounds.SHORT, offset + 2 * i) & 0x7c00) != 0x7c00;
                case BF16 -> (segment.get(Bounds.SHORT, offset + 2 * i) & 0x7f80) != 0x7f80;
                case F32 -> (segment.get(INT, offset + 4 * i) & 0x7f800000) != 0x7f800000;
            };
            if (!finite) {
                return false;
            }
        }
        return true;
    }

    static void halfToFloat(MemorySegment source, long from, MemorySegment target, long to, int count) {
        for (int i = 0; i < count; i++) {
            target.set(Bounds.FLOAT, to + 4L * i, Float.float16ToFloat(source.get(Bounds.SHORT, from + 2L * i)));
        }
    }

    static void floatToHalf(MemorySegment source, long from, MemorySegment target, long to, int count) {
        for (int i = 0; i < count; i++) {
            target.set(Bounds.SHORT, to + 2L * i, Float.floatToFloat16(source.get(Bounds.FLOAT, from + 4L * i)));
        }
    }

    private static void bfloatToFloat(MemorySegment source, long from, MemorySegment target, long to, int count) {
        for (int i = 0; i < count; i++) {
            target.set(INT, to + 4L * i, source.get(Bounds.SHORT, from + 2L * i) << 16);
        }
    }

    private static void floatToBfloat(MemorySegment source, long from, MemorySegment target, long to, int count) {
        for (int i = 0; i < count; i++) {
            target.set(Bounds.SHORT, to + 2L * i, FloatBits.toBf16(source.get(Bounds.FLOAT, from + 4L * i)));
        }
    }
}
