package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Tells C2 that a segment is plain native memory. The Vector API itself also works on segments of arrays, before it is compiled; so C2 expects
 * both kinds wherever vectors meet segments, and then checks all of a segment's fields at every access, since a store to an array might have
 * changed them. Behind a comparison of classes it takes these checks out of the loop.
 */
final class NativeMemory {
    private static final Class<?> PLAIN = MemorySegment.NULL.getClass();

    private NativeMemory() {}

    /** {@return whether the segment is native memory that is no mapped file} */
    static boolean plain(MemorySegment segment) {
        return segment.getClass() == PLAIN;
    }

    /** @throws IllegalArgumentException if the segment is not {@link #plain} */
    static void require(MemorySegment segment) {
        if (segment.getClass() != PLAIN) {
            throw new IllegalArgumentException("neither an array nor a mapped file can be here");
        }
    }
}
