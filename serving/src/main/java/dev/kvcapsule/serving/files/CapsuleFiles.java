package dev.kvcapsule.serving.files;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Sealing;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.increment.ChunkSource;
import dev.kvcapsule.engine.increment.IncrementalDecoder;
import dev.kvcapsule.engine.pipeline.CacheSink;
import dev.kvcapsule.engine.pipeline.CapsuleDecoder;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.EncodeReport;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.ModelFacts;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** State files to capsules and back, in one call each. */
public final class CapsuleFiles {
    private CapsuleFiles() {}

    /**
     * Encodes a state file.
     *
     * @param state a file of any format that {@link CacheFormats} reads
     * @param model what the file does not say about its model
     * @param capsule appears when everything is written; whatever was there before stays until then
     * @throws dev.kvcapsule.engine.MalformedDataException if the state is not of its format
     */
    public static EncodeReport encode(Path state, ModelFacts model, Codec codec, Path capsule, PipelineOptions options) throws IOException {
        return encode(state, model, codec, capsule, options, null);
    }

    /** The same, sealed. @param sealing this capsule's seal, such as a {@link dev.kvcapsule.engine.seal.CapsuleSeal}; null for none */
    public static EncodeReport encode(Path state, ModelFacts model, Codec codec, Path capsule, PipelineOptions options, Sealing sealing) throws IOException {
        try (InputFile in = InputFile.open(state); AtomicOutput out = AtomicOutput.create(capsule)) {
            EncodeReport report = CapsuleEncoder.encode(CacheFormats.read(in.bytes(), model), codec, out.channel(), options, sealing);
            out.commit();
            return report;
        }
    }

    /**
     * Decodes a capsule file without a seal.
     *
     * @param format a name of {@link CacheFormats#NAMES}; empty for the format the cache came in
     * @param tokens how many tokens to restore, reading only the tiles that hold them; empty for all
     * @param state appears when everything is decoded and checked
     * @throws dev.kvcapsule.engine.MalformedDataException if the capsule is damaged
     * @throws UnsupportedOperationException if the cache cannot be written in that format or cut there
     */
    public static DecodeReport decode(Path capsule, Optional<String> format, OptionalInt tokens, Path state, PipelineOptions options) throws IOException {
        return decode(capsule, format, tokens, state, options, Opening.unsealed());
    }

    /**
     * The same for a capsule with a seal.
     *
     * @param opening decides about this capsule's seal, such as a {@link dev.kvcapsule.engine.seal.CapsuleOpening}
     * @throws dev.kvcapsule.engine.CapsuleRefusedException if it may not be restored, or anything about it is not as it was sealed
     */
    public static DecodeReport decode(Path capsule, Optional<String> format, OptionalInt tokens, Path state, PipelineOptions options, Opening opening) throws IOException {
        try (InputFile in = InputFile.open(capsule); AtomicOutput out = AtomicOutput.create(state)) {
            DecodeReport report = decode(CapsuleReader.of(in.bytes(), opening), format, tokens, out.channel(), options);
            out.commit();
            return report;
        }
    }

    /**
     * Decodes a capsule from any source into a file that is open already.
     *
     * @param reader has not been read from yet; in memory if {@code tokens} is given
     * @param out an empty regular file, open for reading and writing; holds anything if this fails
     */
    public static DecodeReport decode(CapsuleReader reader, Optional<String> format, OptionalInt tokens, FileChannel out, PipelineOptions options) throws IOException {
        CapsuleDecoder decoder = new CapsuleDecoder(reader);
        try (Arena arena = Arena.ofShared()) {
            List<MemorySegment> blobs = reader.blobs(arena);
            try {
                return decode(reader, decoder, blobs, format, tokens, out, options);
            } finally {
                blobs.forEach(reader::wipe);
            }
        }
    }

    private static DecodeReport decode(CapsuleReader reader, CapsuleDecoder decoder, List<MemorySegment> blobs, Optional<String> format, OptionalInt tokens, FileChannel out,
            PipelineOptions options) throws IOException {
        CacheFormats.Choice choice = format.isPresent() ? CacheFormats.choose(format.get(), tokens) : CacheFormats.same(reader.manifest().layout(), tokens);
        CacheSink sink = CacheFileSink.create(choice.format().plan(reader.manifest().layout(), blobs, choice.target()), out);
        Optional<Trailer> trailer = Optional.empty();
        if (tokens.isPresent()) {
            decoder.decodePrefix(sink, options);
        } else {
            trailer = Optional.of(decoder.decode(sink, options));
        }
        return new DecodeReport(reader.manifest(), trailer, sink.layout(), out.size());
    }

    /**
     * Decodes a capsule that may go on from chunks, from any source into a file that is open already.
     *
     * @param reader the capsule's, has not been read from yet
     * @param opening what it is opened with: {@link CapsuleOpening#incremental}
     * @param chunks where the chunks are; asked when the capsule itself has been read to its end, and only for those of the tokens that are wanted
     * @param tokens how many tokens to restore; empty for all
     * @param out as for {@link #decode(CapsuleReader, Optional, OptionalInt, FileChannel, PipelineOptions)}
     * @throws dev.kvcapsule.engine.CapsuleRefusedException if a part is missing or may not be restored
     * @throws UnsupportedOperationException if the cache cannot be written in that format or cut there
     */
    public static DecodeReport decode(CapsuleReader reader, CapsuleOpening opening, ChunkSource chunks, Optional<String> format, OptionalInt tokens, FileChannel out,
            PipelineOptions options) throws IOException {
        IncrementalDecoder decoder = new IncrementalDecoder(reader, opening);
        try (Arena arena = Arena.ofShared()) {
            List<MemorySegment> blobs = reader.blobs(arena);
            try {
                CacheFormats.Choice choice = format.isPresent() ? CacheFormats.choose(format.get(), tokens) : CacheFormats.same(decoder.layout(), tokens);
                CacheSink sink = CacheFileSink.create(choice.format().plan(decoder.layout(), blobs, choice.target()), out);
                Trailer trailer = decoder.decode(sink, chunks, options);
                return new DecodeReport(reader.manifest(), Optional.of(trailer), sink.layout(), out.size());
            } finally {
                blobs.forEach(reader::wipe);
            }
        }
    }

    /**
     * Checks a capsule that may go on from chunks, and all of them, from end to end without writing anything.
     *
     * @param reader the capsule's; nothing but its manifest has been read
     */
    public static Trailer verify(IncrementalDecoder decoder, CapsuleReader reader, ChunkSource chunks, PipelineOptions options) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            reader.blobs(arena).forEach(reader::wipe);
        }
        return decoder.verify(chunks, options);
    }

    /** Checks a capsule from end to end without writing anything. */
    public static Trailer verify(CapsuleReader reader, PipelineOptions options) throws IOException {
        CapsuleDecoder decoder = new CapsuleDecoder(reader);
        try (Arena arena = Arena.ofShared()) {
            reader.blobs(arena).forEach(reader::wipe);
        }
        return decoder.verify(options);
    }
}
