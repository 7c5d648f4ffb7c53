package dev.kvcapsule.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Where memory is that kernels work on between a cache and its coded bytes: the host's, or a device's, whose segments have addresses that only the device's
 * kernels and this interface can use. Every operation takes segments of either kind.
 */
public interface MemoryPlace {
    /** The host's memory. */
    MemoryPlace HOST = new HostMemory();

    /**
     * Memory of at least {@code bytes} bytes, aligned to 64, with any contents. A device that has none left gives the host's.
     *
     * @param arena its owner; frees it when it is closed
     */
    MemorySegment allocate(Arena arena, long bytes);

    /** Zeroes what is about to be given back. A device that fails at it says so in the next call that can be refused. */
    void clear(MemorySegment segment);

    /** Sets all bytes of a segment. */
    void fill(MemorySegment segment, byte value);

    /**
     * Copies bytes. When it returns, where they came from may be written; what came to the host may be used, and what came to the device by kernels that the same thread asks for.
     *
     * @throws IndexOutOfBoundsException if a range leaves its segment
     */
    void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes);

    /** Whether a segment is the device's: only then may nothing else be done with it. */
    boolean isDevice(MemorySegment segment);
}
