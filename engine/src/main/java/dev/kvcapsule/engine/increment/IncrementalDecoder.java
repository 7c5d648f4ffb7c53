package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.PieceDecoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.ChunkRef;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
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
        this.whole = WholeLayout.of(reader.manifest().layout(), opening.claims().chunkTokens());
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
     * @return what the trailers of all parts say together
     * @throws CapsuleRefusedException if a part is missing, refused or damaged; {@code target} has then been told to forget everything
     */
    public Trailer decode(CacheSink target, ChunkSource chunks, PipelineOptions options) throws IOException {
        try {
            long all = target.layout().tensorBytes();
            long ofTail = Math.min(all, reader.manifest().layout().tensorBytes());
            Progress progress = options.progress();
            Trailer trailer = tail.decode(target, Math.toIntExact(opening.claims().chunkTokens()), options.with((done, total) -> progress.update(Math.min(done, all), all)));
            int room = target.layout().subCaches().stream().mapToInt(SubCache::cells).max().orElse(0);
            int wanted = ChunkRef.first(opening.claims().chunks(), room).size();
            List<Trailer> pieces = PieceDecoder.decode(wanted, (number, memory) -> find(number, memory, chunks), target,
                    options.with((done, total) -> progress.update(Math.min(ofTail + done, all), all)));
            if (wanted == opening.claims().chunks().size()) {
                chunks.end();
            }
            for (Trailer piece : pieces) {
                trailer = trailer.and(piece);
            }
            opening.acceptWhole();
            return trailer;
        } catch (IOException | RuntimeException | Error e) {
            forget(target, e);
            throw e;
        }
    }

    /**
     * Decodes every part into memory that is forgotten, and checks everything that {@link #decode} checks.
     *
     * @return what the trailers of all parts say together
     */
    public Trailer verify(ChunkSource chunks, PipelineOptions options) throws IOException {
        return decode(CacheSink.nowhere(whole), chunks, options);
    }

    private PieceDecoder.Piece find(int number, SegmentAllocator memory, ChunkSource chunks) throws IOException {
        ChunkRef chunk = opening.claims().chunks().get(number);
        long firstToken = opening.claims().firstToken(number);
        MemorySegment bytes = chunks.find(chunk, memory).orElseThrow(() -> new CapsuleRefusedException(RefusalCode.INCOMPLETE,
                "the chunk of tokens " + firstToken + " to " + (firstToken + chunk.tokens()) + " is not here"));
        return new PieceDecoder.Piece(bytes, opening.chunk(number), Math.toIntExact(firstToken));
    }

    private static void forget(CacheSink target, Throwable why) {
        try {
            target.discard();
        } catch (IOException | RuntimeException e) {
            why.addSuppressed(e);
        }
    }
}
