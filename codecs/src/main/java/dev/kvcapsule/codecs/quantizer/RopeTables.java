package dev.kvcapsule.codecs.quantizer;

import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.kernel.RopeTable;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;

/** The last few cosine tables: neighbouring tiles are other layers of the same tokens, and a table takes longer to make than to use. */
public final class RopeTables implements AutoCloseable {
    /** How many there are at once: two sub-caches with different bases, each with a full and a partial block. */
    public static final int KEPT = 4;

    private record Entry(Rope rope, int[] positions, Arena arena, RopeTable table) {}

    private final Deque<Entry> entries = new ArrayDeque<>();

    /** No tables yet. */
    public RopeTables() {}

    /** The table of these positions; valid until {@value #KEPT} others have been asked for. */
    public RopeTable get(Rope rope, int[] positions) {
        for (Iterator<Entry> each = entries.iterator(); each.hasNext(); ) {
            Entry entry = each.next();
            if (Arrays.equals(entry.positions(), positions) && entry.rope().equals(rope)) {
                each.remove();
                entries.addFirst(entry);
                return entry.table();
            }
        }
        if (entries.size() == KEPT) {
            entries.removeLast().arena().close();
        }
        Arena arena = Arena.ofConfined();
        RopeTable table = new RopeTable(arena, positions, rope.frequencies());
        entries.addFirst(new Entry(rope, positions, arena, table));
        return table;
    }

    @Override
    public void close() {
        entries.forEach(entry -> entry.arena().close());
    }
}
