package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The specification of {@link BytePlaneKernel}. */
final class ScalarBytePlane implements BytePlaneKernel {
    @Override
    public void split(MemorySegment elements, int elementBytes, long count, MemorySegment planes) {
        Bounds.check(elements, 0, count * elementBytes);
        Bounds.checkWritable(planes, 0, count * elementBytes);
        for (int plane = 0; plane < elementBytes; plane++) {
            for (long i = 0; i < count; i++) {
                planes.set(ValueLayout.JAVA_BYTE, plane * count + i, elements.get(ValueLayout.JAVA_BYTE, i * elementBytes + plane));
            }
        }
    }

    @Override
    public void join(MemorySegment planes, int elementBytes, long count, MemorySegment elements) {
        Bounds.check(planes, 0, count * elementBytes);
        Bounds.checkWritable(elements, 0, count * elementBytes);
        for (int plane = 0; plane < elementBytes; plane++) {
            for (long i = 0; i < count; i++) {
                elements.set(ValueLayout.JAVA_BYTE, i * elementBytes + plane, planes.get(ValueLayout.JAVA_BYTE, plane * count + i));
            }
        }
    }
}
