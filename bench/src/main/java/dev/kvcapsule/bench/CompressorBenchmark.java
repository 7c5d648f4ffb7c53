package dev.kvcapsule.bench;

import io.airlift.compress.v3.Compressor;
import io.airlift.compress.v3.Decompressor;
import io.airlift.compress.v3.lz4.Lz4NativeCompressor;
import io.airlift.compress.v3.lz4.Lz4NativeDecompressor;
import io.airlift.compress.v3.zstd.ZstdNativeCompressor;
import io.airlift.compress.v3.zstd.ZstdNativeDecompressor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** General compressors, native code through FFM, on the same data: what there was before. */
public class CompressorBenchmark extends TileBenchmark {
    /** A strong level is so slow that this part of the state must do: the first layers. */
    private static final long SLOW_PART_BYTES = 3 << 19;

    private static final int SLOW_LEVEL = 10;

    /** What to compress. */
    public enum Data {
        /** The real cache of 512 tokens in one piece, decompressed to other memory each time. */
        STATE,
        /** See {@link SymbolSource#CODES}. */
        CODES,
        /** See {@link SymbolSource#HIGH_BYTES}. */
        HIGH_BYTES
    }

    /** Name and level. */
    @Param({"lz4", "zstd-1", "zstd-3", "zstd-19"})
    public String compressor = "zstd-3";

    /** What to compress. */
    @Param({"STATE", "CODES", "HIGH_BYTES"})
    public Data data = Data.STATE;

    private Compressor compress;
    private Decompressor decompress;
    private List<MemorySegment> plain;
    private final List<MemorySegment> packed = new ArrayList<>();
    private List<MemorySegment> targets;
    private MemorySegment out;
    private int outBytes;
    private MemorySegment decompressedTo;
    private long plainBytes;
    private long packedBytes;
    private final Cursor compressed = new Cursor();
    private final Cursor decompressed = new Cursor();
    private final Cursor target = new Cursor();

    /** With its parameters at their defaults. */
    public CompressorBenchmark() {}

    @Override
    void prepare(Arena arena) {
        int level = compressor.startsWith("zstd-") ? Integer.parseInt(compressor.substring("zstd-".length())) : 0;
        compress = level == 0 ? new Lz4NativeCompressor() : new ZstdNativeCompressor(level);
        decompress = level == 0 ? new Lz4NativeDecompressor() : new ZstdNativeDecompressor();
        MemorySegment state = workload().sample();
        plain = switch (data) {
            case STATE -> List.of(level < SLOW_LEVEL ? state : state.asSlice(0, Math.min(SLOW_PART_BYTES, state.byteSize())));
            case CODES -> SymbolSource.CODES.streams(workload(), arena);
            case HIGH_BYTES -> SymbolSource.HIGH_BYTES.streams(workload(), arena);
        };
        long longest = plain.getFirst().byteSize();
        out = arena.allocate(compress.maxCompressedLength(Math.toIntExact(longest)), 64);
        targets = new ArrayList<>();
        if (data == Data.STATE) {
            for (long at = 0; at + longest <= workload().bytes(); at += longest) {
                targets.add(workload().target().asSlice(at, longest));
            }
        } else {
            targets.add(arena.allocate(longest, 64));
        }
        for (MemorySegment piece : plain) {
            int bytes = compress.compress(piece, out);
            packed.add(arena.allocate(bytes).copyFrom(out.asSlice(0, bytes)));
            plainBytes += piece.byteSize();
            packedBytes += bytes;
        }
    }

    /** Compresses a piece. */
    @Benchmark
    public void compress(Amount amount) {
        MemorySegment piece = plain.get(compressed.next(plain.size()));
        outBytes = compress.compress(piece, out);
        amount.bytes += piece.byteSize();
    }

    /** Decompresses a piece. */
    @Benchmark
    public void decompress(Amount amount) {
        MemorySegment piece = packed.get(decompressed.next(packed.size()));
        decompressedTo = targets.get(target.next(targets.size()));
        amount.bytes += decompress.decompress(piece, decompressedTo);
    }

    /** Bytes of all pieces over those of all that they are compressed to. */
    double ratio() {
        return (double) plainBytes / packedBytes;
    }

    @Override
    void runAll(Amount amount) {
        compress(amount);
        decompress(amount);
    }

    @Override
    void verify() {
        Checks.same("what was compressed", packed.get(compressed.last()), out.asSlice(0, outBytes));
        Checks.same("what was decompressed", plain.get(decompressed.last()), decompressedTo);
    }
}
