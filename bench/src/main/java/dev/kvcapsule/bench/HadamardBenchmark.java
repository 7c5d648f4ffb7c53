package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RotationShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Rotated quantization as {@code rotated} uses it: channel means are taken out first, which is part of encoding here. */
public class HadamardBenchmark extends KernelBenchmark {
    /** Only so many tiles are really coded to be decoded, since that takes long; the others have copies. */
    private static final int DISTINCT_TILES = 16;

    private static final long SEED = 1;

    /** Bits of a code. */
    @Param({"4", "3", "2"})
    public int bits = 4;

    private RotationShape shape;
    private List<MemorySegment> rows;
    private List<MemorySegment> restored;
    private final List<TileStreams> coded = new ArrayList<>();
    private TileStreams scratch;
    private TileStreams expected;
    private MemorySegment expectedRows;
    private final Cursor encoded = new Cursor();
    private final Cursor decoded = new Cursor();

    /** With its parameters at their defaults. */
    public HadamardBenchmark() {}

    @Override
    void prepare(Arena arena) {
        shape = new RotationShape(bits, workload().headDim(), SEED, true, ElementType.F16, ElementType.F16, Workload.TILE_TOKENS, workload().width());
        rows = workload().sourceTiles(List.of(Part.values()));
        restored = workload().targetTiles(List.of(Part.values()));
        long gainBytes = Short.BYTES * shape.gains();
        long meanBytes = (long) Short.BYTES * shape.channels();
        for (int tile = 0; tile < rows.size(); tile++) {
            TileStreams streams = TileStreams.payload(arena, shape.codeBytes(), gainBytes, meanBytes);
            if (tile < DISTINCT_TILES) {
                encode(Kernels.scalar(), rows.get(tile), streams);
            } else {
                streams.copyFrom(coded.get(tile % DISTINCT_TILES));
            }
            coded.add(streams);
        }
        scratch = TileStreams.scratch(arena, shape.codeBytes(), gainBytes, meanBytes);
        expected = TileStreams.scratch(arena, shape.codeBytes(), gainBytes, meanBytes);
        expectedRows = arena.allocate(shape.rowBytes());
    }

    private void encode(Kernels kernels, MemorySegment tile, TileStreams out) {
        kernels.hadamard().means(shape, tile, 0, out.get(2), 0);
        long bad = kernels.hadamard().encode(shape, tile, 0, out.get(2), 0, out.get(0), 0, out.get(1), 0);
        if (bad > 0) {
            throw new IllegalStateException(bad + " heads cannot be represented");
        }
    }

    private void decode(Kernels kernels, TileStreams in, MemorySegment tile) {
        kernels.hadamard().decode(shape, in.get(0), 0, in.get(1), 0, in.get(2), 0, tile, 0);
    }

    /** 16-bit floats to codes. */
    @Benchmark
    public void encode(Amount amount) {
        encode(engine(), rows.get(encoded.next(rows.size())), scratch);
        amount.bytes += shape.rowBytes();
    }

    /** Codes to 16-bit floats. */
    @Benchmark
    public void decode(Amount amount) {
        int tile = decoded.next(rows.size());
        decode(engine(), coded.get(tile), restored.get(tile));
        amount.bytes += shape.rowBytes();
    }

    @Override
    void runAll(Amount amount) {
        encode(amount);
        decode(amount);
    }

    @Override
    void verify() {
        encode(Kernels.scalar(), rows.get(encoded.last()), expected);
        expected.same(scratch);
        int tile = decoded.last();
        encode(Kernels.scalar(), rows.get(tile % DISTINCT_TILES), expected);
        decode(Kernels.scalar(), expected, expectedRows);
        Checks.same("the decoded tile", expectedRows, restored.get(tile));
        Checks.near("the decoded tile", rows.get(tile % DISTINCT_TILES), restored.get(tile), Checks.mostError(bits));
    }
}
