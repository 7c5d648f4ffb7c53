package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.seal.ChunkRef;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** Where the chunks of one capsule are found, asked for one after the other in the order of their tokens. What it gives is checked by whoever asked. */
@FunctionalInterface
public interface ChunkSource {
    /** There are none. */
    ChunkSource NONE = (chunk, arena) -> Optional.empty();

    /**
     * The bytes of a chunk.
     *
     * @param chunk as the capsule names it
     * @param arena decides how long the result lives at least
     * @return native memory; empty if it is not here
     */
    Optional<MemorySegment> find(ChunkRef chunk, Arena arena) throws IOException;

    /** Hears that the capsule's last one has been asked for, before anything is used; not called where only the first tokens are wanted. */
    default void end() throws IOException {}
}
