package dev.kvcapsule.engine.increment;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.TileGeometry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Where a cache is cut into chunks, and how each is coded. Chunks have {@value #CHUNK_TOKENS} tokens and never depend on where the sequence ended when they were made: sinks are the first
 * one's alone, and what a codec keeps exactly of the last tokens is the tail's, which is written anew with every capsule.
 *
 * @param ends where each chunk ends, in tokens
 * @param codecs how each is coded
 * @param tail how the tokens behind the last chunk are coded
 */
public record ChunkPlan(List<Integer> ends, List<CodecSpec> codecs, CodecSpec tail) {
    /** Tokens of a chunk: as few as possible are written twice, and a chunk's own manifest and signatures still are a small part of it. */
    public static final int CHUNK_TOKENS = 128;

    private static final String SINK = "sink";
    /** What codecs call components that they settle for a cache as a whole: pieces are too short for them. */
    private static final String OWN = "own";
    /** What codecs call the last tokens that they treat otherwise. */
    private static final List<String> WINDOWS = List.of("residual", "window");

    /** Copies the lists. */
    public ChunkPlan {
        ends = List.copyOf(ends);
        codecs = List.copyOf(codecs);
    }

    /**
     * Why a cache cannot be cut.
     *
     * @param tokens its token ids
     * @return empty if it can
     */
    public static Optional<String> whyNot(CacheLayout layout, Codec codec, Optional<int[]> tokens) {
        if (!codec.codesPiecesAlike()) {
            return Optional.of("codec " + codec.spec().name() + " settles a basis or a step for the cache as a whole; with a shared basis it would not");
        }
        if (layout.subCaches().isEmpty()) {
            return Optional.of("it has no attention cache");
        }
        int cells = layout.subCaches().getFirst().cells();
        for (SubCache sub : layout.subCaches()) {
            long[] runs = sub.positions().runs();
            if (runs.length != 2 || runs[0] != 0 || runs[1] != cells) {
                return Optional.of("cache '" + sub.name() + "' does not hold every token once, from the first one on: a window, or several sequences");
            }
        }
        if (tokens.isEmpty() || tokens.get().length < cells) {
            return Optional.of("it does not tell its tokens");
        }
        if (Arrays.stream(tokens.get()).anyMatch(id -> id < 0)) {
            return Optional.of("it holds images or other media, which have no token ids");
        }
        return Optional.empty();
    }

    /**
     * Cuts.
     *
     * @param layout a cache that {@link #whyNot} has nothing against; short ones have no chunk
     */
    public static ChunkPlan of(CacheLayout layout, Codec codec) {
        return of(layout, codec, CHUNK_TOKENS);
    }

    /** The same with chunks of another length. @param chunkTokens a multiple of 16 */
    public static ChunkPlan of(CacheLayout layout, Codec codec, int chunkTokens) {
        int kept = 0;
        for (SubCache sub : layout.subCaches()) {
            TileGeometry geometry = codec.geometry(sub);
            // What is only coded finer (klt's window) loses little in a chunk; what is kept exactly stays exact, always.
            kept = Math.max(kept, geometry.exactEdges() ? geometry.windowTokens() : 0);
        }
        CodecSpec piece = without(codec.spec(), List.of(OWN));
        CodecSpec later = without(piece, List.of(SINK));
        CodecSpec first = without(piece, WINDOWS);
        CodecSpec middle = without(first, List.of(SINK));
        List<Integer> ends = new ArrayList<>();
        List<CodecSpec> codecs = new ArrayList<>();
        int cells = layout.subCaches().getFirst().cells();
        for (int end = chunkTokens; end <= cells - kept; end += chunkTokens) {
            codecs.add(ends.isEmpty() ? first : middle);
            ends.add(end);
        }
        return new ChunkPlan(ends, codecs, ends.isEmpty() ? codec.spec() : later);
    }

    private static CodecSpec without(CodecSpec spec, List<String> parameters) {
        CodecSpec cut = spec;
        for (String parameter : parameters) {
            if (spec.parameters().containsKey(parameter)) {
                cut = cut.with(parameter, 0);
            }
        }
        return cut;
    }

    /** Tokens of all chunks. */
    public int chunkedTokens() {
        return ends.isEmpty() ? 0 : ends.getLast();
    }

    /** Where a chunk begins. */
    int start(int chunk) {
        return chunk == 0 ? 0 : ends.get(chunk - 1);
    }

    /** The codec of a chunk. */
    Codec codec(int chunk) {
        return Codecs.create(codecs.get(chunk));
    }

    /** The codec of the tail. */
    Codec tailCodec() {
        return Codecs.create(tail);
    }
}
