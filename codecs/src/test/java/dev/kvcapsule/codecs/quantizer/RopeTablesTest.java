package dev.kvcapsule.codecs.quantizer;

import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.kernel.RopeTable;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class RopeTablesTest {
    private static final Rope ROPE = new Rope(Rope.Pairing.HALF_SPLIT, 10_000, 8, 1, List.of());

    private static RopeTable at(RopeTables tables, int position) {
        return tables.get(ROPE, new int[] {position});
    }

    /** A device is given several tables at once: none of them may go for the sake of another. */
    @Test
    void whatWasAskedForLastStays() {
        RopeTables tables = new RopeTables();
        RopeTable oldest = at(tables, 0);
        for (int position = 1; position < RopeTables.KEPT; position++) {
            at(tables, position);
        }
        assertSame(oldest, at(tables, 0));
        for (int position = 1; position < RopeTables.KEPT; position++) {
            at(tables, 100 + position);
        }
        assertTrue(oldest.cosines().scope().isAlive());
        assertSame(oldest, at(tables, 0));
    }

    @Test
    void aTableIsMadeOnceForAllThreads() throws Exception {
        int[] positions = {3, 5, 8};
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<RopeTable>> tables = threads.invokeAll(Collections.nCopies(64, () -> new RopeTables().get(ROPE, positions.clone())));
            for (Future<RopeTable> table : tables) {
                assertSame(tables.getFirst().get(), table.get());
            }
        }
        // What a caller does to its positions later is its own affair.
        RopeTable before = new RopeTables().get(ROPE, positions);
        positions[0] = 4;
        assertNotSame(before, new RopeTables().get(ROPE, positions));
        assertSame(before, new RopeTables().get(ROPE, new int[] {3, 5, 8}));
        assertNotSame(before, new RopeTables().get(new Rope(Rope.Pairing.HALF_SPLIT, 500_000, 8, 1, List.of()), new int[] {3, 5, 8}));
    }
}
