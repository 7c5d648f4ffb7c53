package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;

/** Splitting a tile of 16-bit floats into byte planes in a scratch buffer, and joining them again. */
public class BytePlaneBenchmark extends KernelBenchmark {
    private List<MemorySegment> rows;
    private List<MemorySegment> restored;
    private MemorySegment planes;
    private MemorySegment given;
    private MemorySegment expected;
    private long values;
    private final Cursor split = new Cursor();
    private final Cursor joined = new Cursor();

    /** With its parameters at their defaults. */
    public BytePlaneBenchmark() {}

    @Override
    void prepare(Arena arena) {
        rows = workload().sourceTiles(List.of(Part.values()));
        restored = workload().targetTiles(List.of(Part.values()));
        values = workload().tileBytes() / Short.BYTES;
        planes = arena.allocate(workload().tileBytes(), 64);
        given = arena.allocate(workload().tileBytes(), 64);
        expected = arena.allocate(workload().tileBytes(), 64);
        Kernels.scalar().bytePlane().split(rows.getFirst(), Short.BYTES, values, given);
    }

    /** Elements to planes. */
    @Benchmark
    public void split(Amount amount) {
        engine().bytePlane().split(rows.get(split.next(rows.size())), Short.BYTES, values, planes);
        amount.bytes += workload().tileBytes();
    }

    /** Planes to elements. */
    @Benchmark
    public void join(Amount amount) {
        engine().bytePlane().join(given, Short.BYTES, values, restored.get(joined.next(rows.size())));
        amount.bytes += workload().tileBytes();
    }

    @Override
    void runAll(Amount amount) {
        split(amount);
        join(amount);
    }

    @Override
    void verify() {
        Kernels.scalar().bytePlane().split(rows.get(split.last()), Short.BYTES, values, expected);
        Checks.same("the planes", expected, planes);
        Checks.same("the joined tile", rows.getFirst(), restored.get(joined.last()));
    }
}
