package dev.kvcapsule.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RopeTable;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class WorkloadTest {
    @Test
    void hasTheShapeItSays() throws IOException {
        try (Workload workload = Workload.load(3, 4)) {
            assertEquals(2048, workload.tokens());
            assertEquals(192, workload.width());
            assertEquals(3 * 64, workload.heads() * workload.headDim());
            assertEquals(2L * 3 * 2048 * 192 * 2, workload.bytes());
            assertEquals(workload.bytes(), workload.sourceCache().layout().tensorBytes());
            assertEquals(12, workload.sourceTiles(List.of(Part.values())).size());
            assertEquals(6, workload.targetTiles(List.of(Part.KEY)).size());
            assertEquals(workload.sourceCache().tensor(0, 1, Part.VALUE).address(), workload.sourceTiles(List.of(Part.VALUE)).get(2).address());
            assertEquals(-1, workload.sampleTensor(4).mismatch(workload.sourceCache().tensor(0, 2, Part.KEY).asSlice(0, 512 * 384)));
        }
    }

    @Test
    void valuesRepeat() throws IOException {
        try (Workload workload = Workload.load(2, 4)) {
            MemorySegment values = workload.sourceCache().tensor(0, 1, Part.VALUE);
            for (int copy = 0; copy < 4; copy++) {
                assertEquals(-1, workload.sampleTensor(3).mismatch(values.asSlice(copy * 512 * 384, 512 * 384)));
            }
        }
    }

    @Test
    void keysAreTurnedToWhereTheyStand() throws IOException {
        try (Workload workload = Workload.load(1, 4); Arena arena = Arena.ofConfined()) {
            MemorySegment keys = workload.sourceCache().tensor(0, 0, Part.KEY);
            MemorySegment first = turnedBack(workload, keys, 0, arena);
            for (int copy = 1; copy < 4; copy++) {
                assertTrue(keys.asSlice(0, 512 * 384).mismatch(keys.asSlice(copy * 512 * 384, 512 * 384)) >= 0);
                Checks.near("copy " + copy, first, turnedBack(workload, keys, copy, arena), 2e-3);
            }
        }
    }

    private static MemorySegment turnedBack(Workload workload, MemorySegment keys, int copy, Arena arena) {
        long values = 512 * 192;
        int[] positions = IntStream.range(512 * copy, 512 * copy + 512).toArray();
        MemorySegment floats = arena.allocate(Float.BYTES * values, 64);
        MemorySegment halves = arena.allocate(Short.BYTES * values, 64);
        Kernels.scalar().convert().toF32(ElementType.F16, keys, copy * 512 * 384, floats, 0, values);
        Kernels.scalar().rope().rotate(new RopeTable(arena, positions, workload.rope().frequencies()), 0, floats, 0, 512, workload.heads(), workload.headDim(),
                workload.pairing(), true);
        Kernels.scalar().convert().fromF32(ElementType.F16, floats, 0, halves, 0, values);
        return halves;
    }

    @Test
    void refusesWhatTheSampleDoesNotHave() {
        assertThrows(IllegalArgumentException.class, () -> Workload.load(31, 2));
        assertThrows(IllegalArgumentException.class, () -> Workload.load(0, 2));
        assertThrows(IllegalArgumentException.class, () -> Workload.load(1, 3));
    }
}
