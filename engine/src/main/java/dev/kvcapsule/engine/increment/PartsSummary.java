package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import dev.kvcapsule.engine.seal.ChunkRef;
import dev.kvcapsule.engine.seal.PublicChunkOpening;
import dev.kvcapsule.engine.seal.PublicOpening;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** What a capsule in parts consists of, looked at without opening it: every part is read and its Merkle tree computed, and is the one that the tail lists. */
public final class PartsSummary {
    private PartsSummary() {}

    /**
     * Reads all parts.
     *
     * @param tail has not been read from yet
     * @param opening what the tail was opened with; verifies signatures if it has keys
     * @param chunks where the chunks are
     * @return sums over all parts; the manifest's layout is the whole's
     * @throws CapsuleRefusedException if a part is missing, or is not what it should be
     */
    public static CapsuleSummary read(CapsuleReader tail, PublicOpening opening, ChunkSource chunks) throws IOException {
        Manifest own = tail.manifest();
        CapsuleSummary all = CapsuleSummary.read(tail).with(new Manifest(own.codec(), WholeLayout.of(own.layout(), opening.claims().chunkTokens()), own.basisBytes()));
        List<ChunkRef> listed = opening.claims().chunks();
        try (GrowingBuffer memory = GrowingBuffer.ofOneThread()) {
            for (int c = 0; c < listed.size(); c++) {
                ChunkRef chunk = listed.get(c);
                MemorySegment bytes = chunks.find(chunk, (size, alignment) -> memory.atLeast(size).asSlice(0, size))
                        .orElseThrow(() -> new CapsuleRefusedException(RefusalCode.INCOMPLETE, "a chunk of " + chunk.tokens() + " tokens is not here"));
                try (PublicChunkOpening checks = opening.chunk(c)) {
                    all = all.and(CapsuleSummary.read(CapsuleReader.of(bytes, checks)));
                }
            }
        }
        chunks.end();
        return all;
    }
}
