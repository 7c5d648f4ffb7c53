package dev.kvcapsule.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The device's memory for one operation's inputs and outputs that are the host's. Kept for the next operation, which the same stream works off later. */
final class Staging implements AutoCloseable {
    private static final long ALIGNMENT = 256;
    private static final long LEAST = 1L << 20;

    private record Block(Arena arena, MemorySegment memory) {}

    private final CudaStream stream;
    private final List<Block> blocks = new ArrayList<>();
    private long used;

    Staging(CudaStream stream) {
        this.stream = stream;
    }

    /** Takes everything back. */
    void reset() {
        used = 0;
        if (blocks.size() > 1) {
            long bytes = blocks.stream().mapToLong(block -> block.memory().byteSize()).sum();
            close();
            add(bytes);
        }
    }

    /** Memory until the next reset, with any contents. @throws CudaOutOfMemoryException if there is none left */
    long take(long bytes) {
        long rounded = Math.max(ALIGNMENT, (bytes + ALIGNMENT - 1) & -ALIGNMENT);
        if (blocks.isEmpty() || used + rounded > blocks.getLast().memory().byteSize()) {
            add(Math.max(LEAST, rounded));
            used = 0;
        }
        long at = blocks.getLast().memory().address() + used;
        used += rounded;
        return at;
    }

    private void add(long bytes) {
        Arena arena = Arena.ofShared();
        try {
            blocks.add(new Block(arena, stream.context().allocate(arena, bytes)));
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** Gives all memory back, zeroed; more can be taken. */
    @Override
    public void close() {
        List<Closing.Step> steps = new ArrayList<>();
        for (Block block : blocks) {
            steps.add(() -> stream.fill(block.memory().address(), (byte) 0, block.memory().byteSize()));
            steps.add(block.arena()::close);
        }
        blocks.clear();
        used = 0;
        Closing.all(steps);
    }
}
