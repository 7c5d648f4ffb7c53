package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.CacheSlice;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.ChunkOpening;
import dev.kvcapsule.engine.seal.ChunkRef;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Decodes a tail and the chunks that it goes on from into one cache. All that is checked of one capsule is checked of each part, and of the parts that they are the ones the signed list
 * names; the generation is noted, and the result may be used, when the last of them has held.
 */
public final class IncrementalDecoder {
    private final CapsuleReader reader;
    private final CapsuleOpening opening;
    private final CapsuleDecoder tail;
    private final CacheLayout whole;

    /**
     * Makes ready to decode; reads nothing.
     *
     * @param reader the tail's, whose manifest has been read
     * @param opening what it was opened with: {@link CapsuleOpening#incremental}
     * @throws CapsuleRefusedException if the tail is not the end of what its chunks begin
     */
    public IncrementalDecoder(CapsuleReader reader, CapsuleOpening opening) throws IOException {
        this.reader = reader;
        this.opening = opening;
        this.tail = new CapsuleDecoder(reader);
        CacheLayout own = reader.manifest().layout();
        long before = opening.claims().chunkTokens();
        if (before == 0) {
            whole = own;
            return;
        }
        for (SubCache sub : own.subCaches()) {
            long[] runs = sub.positions().runs();
            if (sub.cells() != own.subCaches().getFirst().cells() || sub.cells() > 0 && (runs.length != 2 || runs[0] != before)) {
                throw positions("cache '" + sub.name() + "' does not go on where the chunks end");
            }
        }
        if (before + own.subCaches().stream().mapToLong(SubCache::cells).max().orElse(0) > Integer.MAX_VALUE || own.tokens() + before > Integer.MAX_VALUE) {
            throw positions("more tokens than can be");
        }
        whole = CacheSlice.whole(own, (int) before);
    }

    private static CapsuleRefusedException positions(String message) {
        return new CapsuleRefusedException(RefusalCode.WRONG_POSITIONS, message);
    }

    /** The cache that parts amount to. */
    public CacheLayout layout() {
        return whole;
    }

    /**
     * Decodes everything, or the first tokens: then chunks that hold none of them are not asked for. The tail is checked in any case. Its blobs must have been read before.
     *
     * @param target a cache of {@link #layout}, possibly in another memory order; or of a prefix of it
     * @param chunks where chunks are
     * @return the tail's trailer
     * @throws CapsuleRefusedException if a part is missing, refused or damaged; {@code target} has then been told to forget everything
     */
    public Trailer decode(CacheSink target, ChunkSource chunks, PipelineOptions options) throws IOException {
        try {
            Trailer trailer = tail.decode(target, Math.toIntExact(opening.claims().chunkTokens()), options);
            List<ChunkRef> wanted = opening.claims().chunks();
            int room = target.layout().subCaches().stream().mapToInt(SubCache::cells).max().orElse(0);
            int next = 0;
            for (long first = 0; next < wanted.size() && first < room; next++) {
                decode(next, wanted.get(next), target, chunks, options);
                first += wanted.get(next).tokens();
            }
            if (next == wanted.size()) {
                chunks.end();
            }
            opening.acceptWhole();
            return trailer;
        } catch (IOException | RuntimeException | Error e) {
            forget(target, e);
            throw e;
        }
    }

    private void decode(int number, ChunkRef chunk, CacheSink target, ChunkSource chunks, PipelineOptions options) throws IOException {
        try (Arena arena = Arena.ofShared(); ChunkOpening checks = opening.chunk(number)) {
            MemorySegment bytes = chunks.find(chunk, arena).orElseThrow(() -> new CapsuleRefusedException(RefusalCode.INCOMPLETE,
                    "the chunk of tokens " + checks.firstToken() + " to " + (checks.firstToken() + chunk.tokens()) + " is not here"));
            CapsuleReader part = CapsuleReader.of(bytes, checks);
            CapsuleDecoder decoder = new CapsuleDecoder(part);
            part.blobs(arena);
            decoder.decode(target, Math.toIntExact(checks.firstToken()), options);
        }
    }

    private static void forget(CacheSink target, Throwable why) {
        try {
            target.discard();
        } catch (IOException | RuntimeException e) {
            why.addSuppressed(e);
        }
    }
}
