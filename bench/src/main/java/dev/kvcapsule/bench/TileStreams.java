package dev.kvcapsule.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The byte streams of one coded tile. */
final class TileStreams {
    /** Bytes in front of a stream in a tile payload. */
    private static final int HEADER_BYTES = 5;

    private final MemorySegment[] streams;

    private TileStreams(MemorySegment... streams) {
        this.streams = streams;
    }

    /** Streams one after another, each behind a header, as decoders find them: nothing is aligned. */
    static TileStreams payload(Arena arena, long... sizes) {
        long bytes = 0;
        for (long size : sizes) {
            bytes += HEADER_BYTES + size;
        }
        MemorySegment payload = arena.allocate(bytes, 64);
        MemorySegment[] streams = new MemorySegment[sizes.length];
        long at = 0;
        for (int i = 0; i < sizes.length; i++) {
            streams[i] = payload.asSlice(at + HEADER_BYTES, sizes[i]);
            at += HEADER_BYTES + sizes[i];
        }
        return new TileStreams(streams);
    }

    /** Streams each in memory of its own, as encoders write them before they are collected. */
    static TileStreams scratch(Arena arena, long... sizes) {
        MemorySegment[] streams = new MemorySegment[sizes.length];
        for (int i = 0; i < sizes.length; i++) {
            streams[i] = arena.allocate(sizes[i], 64);
        }
        return new TileStreams(streams);
    }

    MemorySegment get(int stream) {
        return streams[stream];
    }

    /** Takes over the bytes of another one of the same sizes. */
    void copyFrom(TileStreams other) {
        for (int i = 0; i < streams.length; i++) {
            streams[i].copyFrom(other.streams[i]);
        }
    }

    /** @throws IllegalStateException unless the other one has the same bytes */
    void same(TileStreams actual) {
        for (int i = 0; i < streams.length; i++) {
            Checks.same("stream " + i + " of the coded tile", streams[i], actual.streams[i]);
        }
    }
}
