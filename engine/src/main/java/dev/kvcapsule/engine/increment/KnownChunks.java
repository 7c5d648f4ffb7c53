package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.seal.ChunkRef;
import java.time.Instant;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Chunks that somebody has already, by their address: they need not be made again. */
public final class KnownChunks {
    private final Map<String, ChunkRef> byAddress = new HashMap<>();

    /** None yet. */
    public KnownChunks() {}

    /** Adds what a capsule goes on from, or what somebody says there is: of two with one address, the one that may be used longer. */
    public void add(List<ChunkRef> chunks) {
        chunks.forEach(chunk -> byAddress.merge(chunk.address(), chunk, (a, b) -> a.expires().isBefore(b.expires()) ? b : a));
    }

    /** How many. */
    public int size() {
        return byAddress.size();
    }

    /**
     * The chunk of an address.
     *
     * @param until when it must still be of use
     * @return empty if there is none, or not for so long
     */
    public Optional<ChunkRef> find(byte[] address, Instant until) {
        return Optional.ofNullable(byAddress.get(HexFormat.of().formatHex(address))).filter(chunk -> !chunk.expires().isBefore(until));
    }
}
