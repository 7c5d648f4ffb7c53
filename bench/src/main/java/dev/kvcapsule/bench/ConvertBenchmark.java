package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;

/** 16-bit floats to binary32 in a scratch buffer and back, as codecs stage what they cannot read directly. */
public class ConvertBenchmark extends KernelBenchmark {
    private List<MemorySegment> rows;
    private List<MemorySegment> restored;
    private MemorySegment floats;
    private MemorySegment given;
    private MemorySegment expected;
    private long values;
    private final Cursor widened = new Cursor();
    private final Cursor narrowed = new Cursor();

    /** With its parameters at their defaults. */
    public ConvertBenchmark() {}

    @Override
    void prepare(Arena arena) {
        rows = workload().sourceTiles(List.of(Part.values()));
        restored = workload().targetTiles(List.of(Part.values()));
        values = workload().tileBytes() / Short.BYTES;
        floats = arena.allocate(Float.BYTES * values, 64);
        given = arena.allocate(Float.BYTES * values, 64);
        expected = arena.allocate(Float.BYTES * values, 64);
        Kernels.scalar().convert().toF32(ElementType.F16, rows.getFirst(), 0, given, 0, values);
    }

    /** 16 bits to 32. */
    @Benchmark
    public void toF32(Amount amount) {
        engine().convert().toF32(ElementType.F16, rows.get(widened.next(rows.size())), 0, floats, 0, values);
        amount.bytes += workload().tileBytes();
    }

    /** 32 bits to 16. */
    @Benchmark
    public void fromF32(Amount amount) {
        engine().convert().fromF32(ElementType.F16, given, 0, restored.get(narrowed.next(rows.size())), 0, values);
        amount.bytes += workload().tileBytes();
    }

    @Override
    void runAll(Amount amount) {
        toF32(amount);
        fromF32(amount);
    }

    @Override
    void verify() {
        Kernels.scalar().convert().toF32(ElementType.F16, rows.get(widened.last()), 0, expected, 0, values);
        Checks.same("the tile in binary32", expected, floats);
        Checks.same("the tile of 16-bit floats", rows.getFirst(), restored.get(narrowed.last()));
    }
}
