package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;

/**
 * A capsule that arrives on a channel. The buffer grows with what really arrives, in steps, never with what a header claims: a claimed payload
 * of 256 MiB followed by ten bytes costs one step.
 */
final class StreamSource implements FrameSource {
    private static final int STEP = 4 << 20;

    private final ReadableByteChannel in;
    private ByteBuffer buffer = ByteBuffer.allocateDirect(STEP);
    private long position;
    private int pushedBack = -1;

    StreamSource(ReadableByteChannel in) {
        this.in = in;
    }

    @Override
    public long position() {
        return position;
    }

    @Override
    public long size() {
        return -1;
    }

    @Override
    public MemorySegment take(int length, String field) throws IOException {
        buffer.clear();
        if (pushedBack >= 0 && length > 0) {
            buffer.put((byte) pushedBack);
            pushedBack = -1;
        }
        while (buffer.position() < length) {
            if (!buffer.hasRemaining()) {
                ByteBuffer larger = ByteBuffer.allocateDirect((int) Math.min(length, 2L * buffer.capacity()));
                larger.put(buffer.flip());
                buffer = larger;
            }
            buffer.limit(Math.min(buffer.capacity(), length));
            if (in.read(buffer) < 0) {
                throw MalformedDataException.truncated(position, field, length, buffer.position());
            }
        }
        position += length;
        return MemorySegment.ofBuffer(buffer.flip());
    }

    @Override
    public boolean atEnd() throws IOException {
        if (pushedBack >= 0) {
            return false;
        }
        ByteBuffer one = ByteBuffer.allocate(1);
        int read;
        do {
            read = in.read(one);
        } while (read == 0);
        if (read < 0) {
            return true;
        }
        pushedBack = one.get(0) & 0xff;
        return false;
    }
}
