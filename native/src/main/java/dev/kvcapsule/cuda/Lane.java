package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.kernel.RopeTable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/** One thread's way to the device: a stream, pinned memory, and memory of the device for what an operation takes and gives. */
final class Lane implements AutoCloseable {
    /** As many tables as a coder keeps. */
    private static final int TABLES = 4;

    /** A table on the device; cosines, then sines. */
    private record Table(RopeTable table, Arena arena, MemorySegment memory) {}

    private final CudaContext context;
    private final Arena arena = Arena.ofShared();
    private final Parameters parameters = new Parameters(arena);
    private final MemorySegment words = arena.allocate(64, 8);
    private final Deque<Table> tables = new ArrayDeque<>();
    private final CudaStream stream;
    private PinnedRing ring;
    private Staging staging;
    private int launches = 1;

    Lane(CudaContext context) {
        this.context = context;
        this.stream = new CudaStream(context);
        try {
            ring = new PinnedRing(stream);
            staging = new Staging(stream);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    CudaContext context() {
        return context;
    }

    CudaStream stream() {
        return stream;
    }

    PinnedRing ring() {
        return ring;
    }

    Staging staging() {
        return staging;
    }

    /** How often each kernel is launched: once, but where {@link GpuSpeed} measures what a kernel takes by itself. */
    int launches() {
        return launches;
    }

    void launches(int times) {
        launches = times;
    }

    Parameters parameters() {
        return parameters.begin();
    }

    /** A few words of the host, for what a kernel has to say. */
    MemorySegment words() {
        return words;
    }

    /** Where the device has a table's cosines; its sines follow after as many bytes. Stays there until four others have been asked for. */
    long table(RopeTable table) {
        for (Iterator<Table> each = tables.iterator(); each.hasNext(); ) {
            Table known = each.next();
            if (known.table() == table) {
                each.remove();
                tables.addFirst(known);
                return known.memory().address();
            }
        }
        if (tables.size() == TABLES) {
            tables.removeLast().arena().close();
        }
        long bytes = tableBytes(table);
        Arena owner = Arena.ofShared();
        try {
            MemorySegment memory = context.allocate(owner, 2 * Math.max(4, bytes));
            ring.upload(table.cosines().asSlice(0, bytes), memory.address());
            ring.upload(table.sines().asSlice(0, bytes), memory.address() + bytes);
            tables.addFirst(new Table(table, owner, memory));
            return memory.address();
        } catch (RuntimeException e) {
            owner.close();
            throw e;
        }
    }

    static long tableBytes(RopeTable table) {
        return 4L * table.positions() * table.pairs();
    }

    /** Gives the device's memory back, when there is none left. */
    void shrink() {
        List<Closing.Step> steps = new ArrayList<>();
        if (staging != null) {
            steps.add(staging::close);
        }
        tables.forEach(table -> steps.add(table.arena()::close));
        tables.clear();
        Closing.all(steps);
    }

    @Override
    public void close() {
        List<Closing.Step> steps = new ArrayList<>();
        steps.add(this::shrink);
        if (ring != null) {
            steps.add(ring::close);
        }
        steps.add(stream::close);
        steps.add(arena::close);
        Closing.all(steps);
    }
}
