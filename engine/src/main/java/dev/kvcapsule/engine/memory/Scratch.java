package dev.kvcapsule.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Off-heap memory that is handed out piece by piece and taken back all at once; grows to the largest use it has seen. What is given back to the system is zeroed first: it
 * may have held a cache that came out of a sealed capsule.
 */
public final class Scratch implements AutoCloseable {
    private static final long ALIGNMENT = 64;

    private final MemoryPlace place;
    private Arena arena = Arena.ofShared();
    private MemorySegment block = MemorySegment.NULL;
    private final List<MemorySegment> beside = new ArrayList<>();
    private long used;
    private long wanted;

    /** Empty; memory of the host is taken when it is asked for. */
    public Scratch() {
        this(MemoryPlace.HOST);
    }

    /** Empty; memory of that place is taken when it is asked for. */
    public Scratch(MemoryPlace place) {
        this.place = place;
    }

    /** Takes everything back. */
    public void reset() {
        if (wanted > block.byteSize()) {
            close();
            arena = Arena.ofShared();
            block = place.allocate(arena, wanted);
        }
        used = 0;
        wanted = 0;
    }

    /** Hands out {@code bytes} bytes, aligned, with any contents, until the next {@link #reset}. */
    public MemorySegment take(long bytes) {
        long rounded = (bytes + ALIGNMENT - 1) & -ALIGNMENT;
        wanted += rounded;
        if (used + rounded > block.byteSize()) {
            MemorySegment piece = place.allocate(arena, bytes);
            beside.add(piece);
            return piece;
        }
        MemorySegment piece = block.asSlice(used, bytes);
        used += rounded;
        return piece;
    }

    @Override
    public void close() {
        if (block.byteSize() > 0) {
            place.clear(block);
        }
        beside.forEach(place::clear);
        beside.clear();
        arena.close();
    }
}
