package dev.kvcapsule.cuda;

import dev.kvcapsule.engine.memory.MemoryPlace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Runs an operation on the processor when the device has no memory left for it: fetches what it reads from the device, and brings back what it writes. */
final class HostOperands {
    private final Device device;
    private final MemoryPlace memory;

    HostOperands(Device device, MemoryPlace memory) {
        this.device = device;
        this.memory = memory;
    }

    /** Work on segments of the host. */
    interface Work {
        void on(MemorySegment in, MemorySegment out);
    }

    /**
     * @param in what it reads, all of the segment
     * @param out what it writes, and reads if that is asked of it: its contents are there
     */
    void run(MemorySegment in, MemorySegment out, Work work) {
        device.lane().shrink();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment from = fetched(memory, arena, in, in.byteSize());
            MemorySegment to = fetched(memory, arena, out, out.byteSize());
            work.on(from, to);
            if (memory.isDevice(out)) {
                memory.copy(to, 0, out, 0, out.byteSize());
            }
        }
    }

    /** The host's copy of a segment's first bytes; the segment itself if it is the host's. */
    static MemorySegment fetched(MemoryPlace memory, Arena arena, MemorySegment segment, long bytes) {
        if (!memory.isDevice(segment)) {
            return segment;
        }
        MemorySegment copy = arena.allocate(Math.max(1, bytes), 64);
        memory.copy(segment, 0, copy, 0, bytes);
        return copy;
    }
}
