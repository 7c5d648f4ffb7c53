package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/** {@link BytePlaneKernel} for two-byte elements, the common case; others go the scalar way. */
final class PanamaBytePlane implements BytePlaneKernel {
    private static final int LANES = VectorWidth.SHORT.length();

    private final ScalarBytePlane scalar = new ScalarBytePlane();

    @Override
    public void split(MemorySegment elements, int elementBytes, long count, MemorySegment planes) {
        if (elementBytes != 2 || count < LANES) {
            scalar.split(elements, elementBytes, count, planes);
            return;
        }
        Bounds.check(elements, 0, 2 * count);
        Bounds.checkWritable(planes, 0, 2 * count);
        long bound = count - count % LANES;
        for (long i = 0; i < bound; i += LANES) {
            splitVector(elements, i, count, planes);
        }
        if (bound < count) {
            splitVector(elements, count - LANES, count, planes);
        }
    }

    private static void splitVector(MemorySegment elements, long i, long count, MemorySegment planes) {
        ShortVector pair = ShortVector.fromMemorySegment(VectorWidth.SHORT, elements, 2 * i, ByteOrder.LITTLE_ENDIAN);
        ((ByteVector) pair.convertShape(VectorOperators.S2B, VectorWidth.BYTE_FOR_SHORT, 0)).intoMemorySegment(planes, i, ByteOrder.LITTLE_ENDIAN);
        ((ByteVector) pair.lanewise(VectorOperators.LSHR, 8).convertShape(VectorOperators.S2B, VectorWidth.BYTE_FOR_SHORT, 0))
                .intoMemorySegment(planes, count + i, ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public void join(MemorySegment planes, int elementBytes, long count, MemorySegment elements) {
        if (elementBytes != 2 || count < LANES) {
            scalar.join(planes, elementBytes, count, elements);
            return;
        }
        Bounds.check(planes, 0, 2 * count);
        Bounds.checkWritable(elements, 0, 2 * count);
        long bound = count - count % LANES;
        for (long i = 0; i < bound; i += LANES) {
            joinVector(planes, i, count, elements);
        }
        if (bound < count) {
            joinVector(planes, count - LANES, count, elements);
        }
    }

    private static void joinVector(MemorySegment planes, long i, long count, MemorySegment elements) {
        ShortVector low = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, planes, i, ByteOrder.LITTLE_ENDIAN)
                .convertShape(VectorOperators.ZERO_EXTEND_B2S, VectorWidth.SHORT, 0);
        ShortVector high = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, planes, count + i, ByteOrder.LITTLE_ENDIAN)
                .convertShape(VectorOperators.ZERO_EXTEND_B2S, VectorWidth.SHORT, 0);
        low.or(high.lanewise(VectorOperators.LSHL, 8)).intoMemorySegment(elements, 2 * i, ByteOrder.LITTLE_ENDIAN);
    }
}
