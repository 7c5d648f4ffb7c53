package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RopeTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;

/** Rotary embedding of a tile of keys in a scratch buffer, and its inverse, in turn: values stay what they are. */
public class RopeBenchmark extends KernelBenchmark {
    private static final double MOST_DRIFT = 1e-3;

    private RopeTable table;
    private MemorySegment given;
    private MemorySegment floats;
    private MemorySegment expected;
    private boolean rotated;

    /** With its parameters at their defaults. */
    public RopeBenchmark() {}

    @Override
    void prepare(Arena arena) {
        table = new RopeTable(arena, IntStream.range(0, Workload.TILE_TOKENS).toArray(), workload().rope().frequencies());
        long values = workload().tileBytes() / Short.BYTES;
        given = arena.allocate(Float.BYTES * values, 64);
        floats = arena.allocate(Float.BYTES * values, 64);
        expected = arena.allocate(Float.BYTES * values, 64);
        Kernels.scalar().convert().toF32(ElementType.F16, workload().sourceTiles(List.of(Part.KEY)).getFirst(), 0, given, 0, values);
        floats.copyFrom(given);
    }

    private void rotate(Kernels kernels, MemorySegment rows, boolean inverse) {
        kernels.rope().rotate(table, 0, rows, 0, Workload.TILE_TOKENS, workload().heads(), workload().headDim(), workload().pairing(), inverse);
    }

    /** The embedding if the last call was its inverse, else the inverse. */
    @Benchmark
    public void rotate(Amount amount) {
        rotate(engine(), floats, rotated);
        rotated = !rotated;
        amount.bytes += workload().tileBytes();
    }

    @Override
    void runAll(Amount amount) {
        rotate(amount);
    }

    @Override
    void verify() {
        expected.copyFrom(given);
        if (rotated) {
            rotate(Kernels.scalar(), expected, false);
        }
        for (long at = 0; at < expected.byteSize(); at += Float.BYTES) {
            float want = expected.get(ValueLayout.JAVA_FLOAT, at);
            float have = floats.get(ValueLayout.JAVA_FLOAT, at);
            if (!(Math.abs(want - have) <= MOST_DRIFT * (1 + Math.abs(want)))) {
                throw new IllegalStateException("rotated value " + at / Float.BYTES + " is " + have + " instead of " + want);
            }
        }
    }
}
