package dev.kvcapsule.engine.format;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.agrona.concurrent.UnsafeBuffer;

/** Encrypts frames: one thread's, closed by it. */
public interface FrameSealer extends AutoCloseable {
    /** Bytes that a frame grows by. */
    int TAG_BYTES = FrameHeader.TAG_BYTES;

    /**
     * Encrypts a payload where it lies.
     *
     * @param memory off-heap: the payload, and {@link #TAG_BYTES} of room behind it
     * @param payloadBytes bytes of the payload, 0 to 256 MiB
     */
    SealedFrame seal(FrameType type, long sequence, int item, int piece, MemorySegment memory, int payloadBytes);

    /** Forgets the keys. */
    @Override
    void close();

    /** The header of an encrypted frame, 40 bytes. */
    static byte[] header(FrameType type, long sequence, int item, int piece, int payloadBytes) {
        byte[] bytes = new byte[FrameHeader.BYTES];
        new FrameHeader().wrap(new UnsafeBuffer(ByteBuffer.wrap(bytes)), 0).encodeEncrypted(type, sequence, item, piece, payloadBytes);
        return bytes;
    }
}
