package dev.kvcapsule.bench;

import dev.kvcapsule.engine.cache.Part;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;

/** The yardstick: {@link MemorySegment#copy} of the same bytes. */
public class CopyBenchmark extends TileBenchmark {
    private List<MemorySegment> from;
    private List<MemorySegment> to;
    private final Cursor cursor = new Cursor();

    /** With its parameters at their defaults. */
    public CopyBenchmark() {}

    @Override
    void prepare(Arena arena) {
        from = workload().sourceTiles(List.of(Part.values()));
        to = workload().targetTiles(List.of(Part.values()));
    }

    /** Tile by tile, as the codecs work. */
    @Benchmark
    public void tile(Amount amount) {
        int tile = cursor.next(from.size());
        MemorySegment source = from.get(tile);
        MemorySegment.copy(source, 0, to.get(tile), 0, source.byteSize());
        amount.bytes += source.byteSize();
    }

    /** Everything in one call. */
    @Benchmark
    public void whole(Amount amount) {
        MemorySegment.copy(workload().source(), 0, workload().target(), 0, workload().bytes());
        amount.bytes += workload().bytes();
    }

    @Override
    void runAll(Amount amount) {
        tile(amount);
        verifyTile();
        whole(amount);
    }

    @Override
    void verify() {
        verifyTile();
        Checks.same("the copy", workload().source(), workload().target());
    }

    private void verifyTile() {
        Checks.same("the copied tile", from.get(cursor.last()), to.get(cursor.last()));
    }
}
