package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.QuantShape;
import dev.kvcapsule.engine.kernel.QuantShape.Grouping;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Group quantization as {@code kivi} uses it: groups of 32, keys along tokens, values along channels. */
public class QuantBenchmark extends KernelBenchmark {
    /** Only so many tiles are really coded to be decoded, since that takes long; the others have copies. */
    private static final int DISTINCT_TILES = 16;

    private static final int GROUP = 32;

    /** Bits of a code. */
    @Param({"4", "2"})
    public int bits = 4;

    /** Which tensors. */
    @Param({"KEY", "VALUE"})
    public Part part = Part.KEY;

    private QuantShape shape;
    private List<MemorySegment> rows;
    private List<MemorySegment> restored;
    private final List<TileStreams> coded = new ArrayList<>();
    private TileStreams scratch;
    private TileStreams expected;
    private MemorySegment expectedRows;
    private final Cursor encoded = new Cursor();
    private final Cursor decoded = new Cursor();

    /** With its parameters at their defaults. */
    public QuantBenchmark() {}

    @Override
    void prepare(Arena arena) {
        shape = new QuantShape(part == Part.KEY ? Grouping.TOKENS : Grouping.CHANNELS, bits, GROUP, ElementType.F16, ElementType.F16, Workload.TILE_TOKENS,
                workload().width());
        rows = workload().sourceTiles(List.of(part));
        restored = workload().targetTiles(List.of(part));
        long parameterBytes = Short.BYTES * shape.parameters();
        for (int tile = 0; tile < rows.size(); tile++) {
            TileStreams streams = TileStreams.payload(arena, shape.codeBytes(), parameterBytes, parameterBytes);
            if (tile < DISTINCT_TILES) {
                quantize(Kernels.scalar(), rows.get(tile), streams);
            } else {
                streams.copyFrom(coded.get(tile % DISTINCT_TILES));
            }
            coded.add(streams);
        }
        scratch = TileStreams.scratch(arena, shape.codeBytes(), parameterBytes, parameterBytes);
        expected = TileStreams.scratch(arena, shape.codeBytes(), parameterBytes, parameterBytes);
        expectedRows = arena.allocate(shape.rowBytes());
    }

    private void quantize(Kernels kernels, MemorySegment tile, TileStreams out) {
        long bad = kernels.quant().quantize(shape, tile, 0, out.get(0), 0, out.get(1), 0, out.get(2), 0);
        if (bad > 0) {
            throw new IllegalStateException(bad + " groups cannot be represented");
        }
    }

    private void dequantize(Kernels kernels, TileStreams in, MemorySegment tile) {
        kernels.quant().dequantize(shape, in.get(0), 0, in.get(1), 0, in.get(2), 0, tile, 0);
    }

    /** 16-bit floats to codes. */
    @Benchmark
    public void encode(Amount amount) {
        quantize(engine(), rows.get(encoded.next(rows.size())), scratch);
        amount.bytes += shape.rowBytes();
    }

    /** Codes to 16-bit floats. */
    @Benchmark
    public void decode(Amount amount) {
        int tile = decoded.next(rows.size());
        dequantize(engine(), coded.get(tile), restored.get(tile));
        amount.bytes += shape.rowBytes();
    }

    @Override
    void runAll(Amount amount) {
        encode(amount);
        decode(amount);
    }

    @Override
    void verify() {
        quantize(Kernels.scalar(), rows.get(encoded.last()), expected);
        expected.same(scratch);
        int tile = decoded.last();
        quantize(Kernels.scalar(), rows.get(tile % DISTINCT_TILES), expected);
        dequantize(Kernels.scalar(), expected, expectedRows);
        Checks.same("the decoded tile", expectedRows, restored.get(tile));
        Checks.near("the decoded tile", rows.get(tile % DISTINCT_TILES), restored.get(tile), Checks.mostError(bits));
    }
}
