package dev.kvcapsule.engine.pipeline;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Copies single elements, for transposing. */
final class Elements {
    private Elements() {}

    /** @param bytes 1, 2 or 4 */
    static void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, int bytes) {
        switch (bytes) {
            case 1 -> to.set(ValueLayout.JAVA_BYTE, toOffset, from.get(ValueLayout.JAVA_BYTE, fromOffset));
            case 2 -> to.set(ValueLayout.JAVA_SHORT_UNALIGNED, toOffset, from.get(ValueLayout.JAVA_SHORT_UNALIGNED, fromOffset));
            default -> to.set(ValueLayout.JAVA_INT_UNALIGNED, toOffset, from.get(ValueLayout.JAVA_INT_UNALIGNED, fromOffset));
        }
    }
}
