package dev.kvcapsule.codecs.quantizer;

import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.kernel.RopeTable;
import java.util.List;
import org.junit.jupiter.api.Test;

class RopeTablesTest {
    private static final Rope ROPE = new Rope(Rope.Pairing.HALF_SPLIT, 10_000, 8, 1, List.of());

    private static RopeTable at(RopeTables tables, int position) {
        return tables.get(ROPE, new int[] {position});
    }

    /** A device is given several tables at once: none of them may go for the sake of another. */
    @Test
    void whatWasAskedForLastStays() {
        try (RopeTables tables = new RopeTables()) {
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
    }
}
