package dev.kvcapsule.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/**
 * One off-heap buffer that is replaced by a larger one when more is asked for; contents are not kept. Made for scratch that a thread uses again
 * and again: it soon has its final size and is never allocated again. What is given back to the system is zeroed first.
 */
public final class GrowingBuffer implements AutoCloseable {
    private final MemoryPlace place;
    private final Supplier<Arena> arenas;
    private Arena arena;
    private MemorySegment segment = MemorySegment.NULL;

    /** Empty; memory of the host is taken when it is asked for. */
    public GrowingBuffer() {
        this(MemoryPlace.HOST);
    }

    /** Empty; memory of that place is taken when it is asked for. */
    public GrowingBuffer(MemoryPlace place) {
        this(place, Arena::ofShared);
    }

    private GrowingBuffer(MemoryPlace place, Supplier<Arena> arenas) {
        this.place = place;
        this.arenas = arenas;
    }

    /** Empty, of the host, and of one thread, which alone uses and closes it: giving memory back then waits for no other thread. */
    public static GrowingBuffer ofOneThread() {
        return new GrowingBuffer(MemoryPlace.HOST, Arena::ofConfined);
    }

    /**
     * Memory of at least {@code bytes} bytes, aligned to 64, with any contents; what an earlier call returned is gone if it was smaller.
     * May be used from any thread, by one at a time, unless made by {@link #ofOneThread}.
     */
    public MemorySegment atLeast(long bytes) {
        if (segment.byteSize() < bytes) {
            close();
            arena = arenas.get();
            segment = place.allocate(arena, bytes);
        }
        return segment;
    }

    @Override
    public void close() {
        if (arena != null) {
            place.clear(segment);
            arena.close();
            arena = null;
            segment = MemorySegment.NULL;
        }
    }
}
