package dev.kvcapsule.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** {@link MemoryPlace#HOST}. */
final class HostMemory implements MemoryPlace {
    private static final long ALIGNMENT = 64;

    @Override
    public MemorySegment allocate(Arena arena, long bytes) {
        return arena.allocate(bytes, ALIGNMENT);
    }

    @Override
    public void clear(MemorySegment segment) {
        segment.fill((byte) 0);
    }

    @Override
    public void fill(MemorySegment segment, byte value) {
        segment.fill(value);
    }

    @Override
    public void copy(MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
        MemorySegment.copy(from, fromOffset, to, toOffset, bytes);
    }

    @Override
    public boolean isDevice(MemorySegment segment) {
        return false;
    }
}
