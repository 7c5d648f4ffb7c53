package dev.kvcapsule.engine.memory;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;

/** Memory of a fixed size as a channel: reading and writing go on from one position, as in a file. Closing it does nothing: the memory is somebody else's. For one thread. */
public final class MemoryChannel implements ByteChannel {
    private final MemorySegment memory;
    private long position;

    /** From the start of that memory on. */
    public MemoryChannel(MemorySegment memory) {
        this.memory = memory;
    }

    /** What is before the position: what was written, or has been read. */
    public MemorySegment passed() {
        return memory.asSlice(0, position);
    }

    @Override
    public int read(ByteBuffer target) {
        if (position == memory.byteSize() && target.hasRemaining()) {
            return -1;
        }
        int count = (int) Math.min(target.remaining(), memory.byteSize() - position);
        target.put(memory.asSlice(position, count).asByteBuffer());
        position += count;
        return count;
    }

    /** @throws IndexOutOfBoundsException if there is no room for all of it; nothing is written then */
    @Override
    public int write(ByteBuffer source) {
        int count = source.remaining();
        memory.asSlice(position, count).copyFrom(MemorySegment.ofBuffer(source));
        source.position(source.limit());
        position += count;
        return count;
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public void close() {
        // Nothing is held.
    }
}
