package dev.kvcapsule.codecs.quantizer;

import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.engine.kernel.RopeTable;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * The last few cosine tables of a coder: neighbouring tiles are other layers of the same tokens, and a table takes longer to make than to use. What one coder has made serves those of other threads,
 * which are at the same tokens.
 */
public final class RopeTables {
    /** How many there are at once: two sub-caches with different bases, each with a full and a partial block. */
    public static final int KEPT = 4;

    /** Of all coders: some megabytes, and those of whoever is at work. */
    private static final int SHARED = 16;

    private record Entry(Rope rope, int[] positions, RopeTable table) {}

    private record Key(Rope rope, int[] positions, int hash) {
        static Key of(Rope rope, int[] positions) {
            return new Key(rope, positions.clone(), 31 * rope.hashCode() + Arrays.hashCode(positions));
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Key key && key.hash == hash && Arrays.equals(key.positions, positions) && key.rope.equals(rope);
        }

        @Override
        public int hashCode() {
            return hash;
        }
    }

    private static final Map<Key, FutureTask<RopeTable>> TABLES = new LinkedHashMap<>(2 * SHARED, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, FutureTask<RopeTable>> eldest) {
            return size() > SHARED;
        }
    };

    private final Deque<Entry> entries = new ArrayDeque<>();

    /** No tables yet. */
    public RopeTables() {}

    /** The table of these positions; valid as long as somebody refers to it. */
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
            entries.removeLast();
        }
        Key key = Key.of(rope, positions);
        RopeTable table = shared(key);
        entries.addFirst(new Entry(rope, key.positions(), table));
        return table;
    }

    /** Made by whoever asks first; others wait for that. */
    private static RopeTable shared(Key key) {
        FutureTask<RopeTable> task;
        synchronized (TABLES) {
            task = TABLES.computeIfAbsent(key, missing -> new FutureTask<>(() -> new RopeTable(Arena.ofAuto(), missing.positions(), missing.rope().frequencies())));
        }
        // Does nothing where it is done, or being done.
        task.run();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return task.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } catch (ExecutionException e) {
            // Out of memory, say: whoever comes next may have better luck.
            synchronized (TABLES) {
                TABLES.remove(key, task);
            }
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw new IllegalStateException(e.getCause());
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
