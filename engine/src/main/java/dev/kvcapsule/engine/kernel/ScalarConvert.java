package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** {@link ConvertKernel} in plain loops; C2 turns the f16 ones into {@code vcvtph2ps} and {@code vcvtps2ph}. */
public final class ScalarConvert implements ConvertKernel {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Values checked by one inner loop over scratch that stays in the first-level cache. */
    private static final int SCRATCH = 1 << 12;

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
        int block = (int) Math.min(SCRATCH, count);
        HeapRows input = new HeapRows(type, block);
        float[] values = new float[block];
        for (long done = 0; done < count; done += SCRATCH) {
            int run = (int) Math.min(SCRATCH, count - done);
            input.load(source, sourceOffset + 2 * done, values, run);
            MemorySegment.copy(values, 0, target, Bounds.FLOAT, targetOffset + 4 * done, run);
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
        int block = (int) Math.min(SCRATCH, count);
        HeapRows output = new HeapRows(type, block);
        float[] values = new float[block];
        for (long done = 0; done < count; done += SCRATCH) {
            int run = (int) Math.min(SCRATCH, count - done);
            MemorySegment.copy(source, Bounds.FLOAT, sourceOffset + 4 * done, values, 0, run);
            output.store(values, target, targetOffset + 2 * done, run);
        }
    }

    @Override
    public boolean allFinite(ElementType type, MemorySegment segment, long offset, long count) {
        Bounds.check(segment, offset, Math.multiplyExact(count, type.bytes()));
        // Through heap scratch, in plain loops over arrays: those are fast before anything is compiled.
        if (type == ElementType.F32) {
            int[] values = new int[(int) Math.min(SCRATCH, count)];
            for (long done = 0; done < count; done += SCRATCH) {
                int run = (int) Math.min(SCRATCH, count - done);
                MemorySegment.copy(segment, INT, offset + 4 * done, values, 0, run);
                if (!allFinite(values, run)) {
                    return false;
                }
            }
            return true;
        }
        int exponent = type == ElementType.F16 ? 0x7c00 : 0x7f80;
        short[] values = new short[(int) Math.min(SCRATCH, count)];
        for (long done = 0; done < count; done += SCRATCH) {
            int run = (int) Math.min(SCRATCH, count - done);
            MemorySegment.copy(segment, Bounds.SHORT, offset + 2 * done, values, 0, run);
            if (!allFinite(values, run, exponent)) {
                return false;
            }
        }
        return true;
    }

    /** Adding its lowest bit to a full exponent carries into bit 15, and to no other. */
    private static boolean allFinite(short[] values, int count, int exponent) {
        int carry = 0;
        for (int i = 0; i < count; i++) {
            carry |= (values[i] & exponent) + (exponent & -exponent);
        }
        return (carry & 0x8000) == 0;
    }

    private static boolean allFinite(int[] values, int count) {
        int carry = 0;
        for (int i = 0; i < count; i++) {
            carry |= (values[i] & 0x7f800000) + 0x00800000;
        }
        return carry >= 0;
    }
}
