package dev.kvcapsule.engine.increment;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/** A channel into memory off the heap, which grows; used again for the next chunk. One thread's. */
final class ChunkBuffer implements WritableByteChannel {
    private static final long FIRST = 1 << 20;

    private Arena arena = Arena.ofShared();
    private MemorySegment memory = arena.allocate(FIRST);
    private long used;

    /** Forgets what was written. */
    void clear() {
        used = 0;
    }

    /** What was written, until {@link #clear} or {@link #close}. */
    MemorySegment bytes() {
        return memory.asSlice(0, used);
    }

    @Override
    public int write(ByteBuffer source) {
        int count = source.remaining();
        if (used + count > memory.byteSize()) {
            grow(used + count);
        }
        MemorySegment.copy(MemorySegment.ofBuffer(source), 0, memory, used, count);
        source.position(source.limit());
        used += count;
        return count;
    }

    private void grow(long least) {
        Arena larger = Arena.ofShared();
        MemorySegment copy = larger.allocate(Math.max(least, 2 * memory.byteSize()));
        MemorySegment.copy(memory, 0, copy, 0, used);
        arena.close();
        arena = larger;
        memory = copy;
    }

    @Override
    public boolean isOpen() {
        return arena.scope().isAlive();
    }

    @Override
    public void close() {
        if (isOpen()) {
            arena.close();
        }
    }
}
