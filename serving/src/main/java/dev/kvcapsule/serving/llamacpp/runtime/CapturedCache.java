package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.cache.KvCache;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A context's cache as it was at one moment, in off-heap memory of its own: what the engine encodes without another copy. The context may go on; this stays, until it is closed. */
public final class CapturedCache implements AutoCloseable {
    private final Arena arena;
    private final MemorySegment state;
    private final KvCache cache;

    CapturedCache(Arena arena, MemorySegment state, KvCache cache) {
        this.arena = arena;
        this.state = state;
        this.cache = cache;
    }

    /** The cache: slices of the state. */
    public KvCache cache() {
        return cache;
    }

    /** Bytes of memory it takes. */
    public long bytes() {
        return state.byteSize();
    }

    /** Zeroes the memory, which holds a conversation, and gives it back; a second time does nothing. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            state.fill((byte) 0);
            arena.close();
        }
    }
}
