package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.seal.ChunkRef;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Optional;

/** Where the chunks of one capsule are found, asked for one after the other in the order of their tokens. What it gives is checked by whoever asked. */
@FunctionalInterface
public interface ChunkSource {
    /** There are none. */
    ChunkSource NONE = (chunk, memory) -> Optional.empty();

    /**
     * The bytes of a chunk.
     *
     * @param chunk as the capsule names it
     * @param memory holds one segment, as long as the chunk is used
     * @return native memory; empty if it is not here
     */
    Optional<MemorySegment> find(ChunkRef chunk, SegmentAllocator memory) throws IOException;

    /** Hears that the capsule's last one has been asked for, before anything is used; not called where only the first tokens are wanted. */
    default void end() throws IOException {}
}
