package dev.kvcapsule.bench;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/** A channel into memory of a fixed size, from its start on. */
final class MemoryChannel implements WritableByteChannel {
    private final MemorySegment memory;
    private long position;

    MemoryChannel(MemorySegment memory) {
        this.memory = memory;
    }

    /** What was written. */
    MemorySegment written() {
        return memory.asSlice(0, position);
    }

    @Override
    public int write(ByteBuffer bytes) {
        int count = bytes.remaining();
        memory.asSlice(position, count).copyFrom(MemorySegment.ofBuffer(bytes));
        bytes.position(bytes.limit());
        position += count;
        return count;
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public void close() {}
}
