package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/** Moves rows between native memory and float scratch for the vector kernels. */
final class RowStore {
    private static final int LANES = VectorWidth.FLOAT.length();

    private RowStore() {}

    /** Loads {@code count} rows of {@code channels} values to places {@code stride} floats apart. */
    static void load(ElementType type, MemorySegment rows, long offset, int channels, float[] values, int stride, int count) {
        if (stride == channels) {
            fetch(type, rows, offset, values, 0, count * channels);
            return;
        }
        for (int t = 0; t < count; t++) {
            fetch(type, rows, offset + (long) t * channels * type.bytes(), values, t * stride, channels);
        }
    }

    private static void fetch(ElementType type, MemorySegment rows, long offset, float[] values, int at, int count) {
        int done = 0;
        if (type == ElementType.BF16) {
            for (; done <= count - LANES; done += LANES) {
                ShortVector bits = ShortVector.fromMemorySegment(VectorWidth.SHORT_FOR_INT, rows, offset + 2L * done, ByteOrder.LITTLE_ENDIAN);
                IntVector wide = (IntVector) bits.convertShape(VectorOperators.S2I, VectorWidth.INT, 0);
                wide.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(values, at + done);
            }
        }
        RowStage.load(type, rows, offset + (long) done * type.bytes(), values, at + done, count - done);
    }

    /** Stores {@code count} rows of {@code channels} values that lie {@code stride} floats apart. */
    static void store(ElementType type, float[] values, int stride, int count, MemorySegment rows, long offset, int channels) {
        if (stride == channels) {
            run(type, values, 0, rows, offset, count * channels);
            return;
        }
        for (int t = 0; t < count; t++) {
            run(type, values, t * stride, rows, offset + (long) t * channels * type.bytes(), channels);
        }
    }

    private static void run(ElementType type, float[] values, int at, MemorySegment rows, long offset, int count) {
        int done = type == ElementType.BF16 ? bfloat(values, at, rows, offset, count) : 0;
        RowStage.store(type, values, at + done, rows, offset + (long) done * type.bytes(), count - done);
    }

    private static int bfloat(float[] values, int at, MemorySegment rows, long offset, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            PanamaConvert.toBf16(FloatVector.fromArray(VectorWidth.FLOAT, values, at + i))
                    .intoMemorySegment(rows, offset + 2L * i, ByteOrder.LITTLE_ENDIAN);
        }
        return i;
    }
}
