package dev.kvcapsule.engine.format;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Checks and decrypts frames: one thread's, closed by it. */
public interface FrameOpener extends AutoCloseable {
    /**
     * A frame that holds.
     *
     * @param payload as it was before it was sealed, if it was; valid until the next call; where nothing is encrypted, the frame's own memory
     * @param leaf of these very bytes in the capsule's Merkle tree; empty if it has none
     */
    record Opened(MemorySegment payload, byte[] leaf) {}

    /**
     * Checks a frame and gives its payload.
     *
     * @throws IOException if it is damaged: a {@link dev.kvcapsule.engine.MalformedDataException} or a
     *     {@link dev.kvcapsule.engine.CapsuleRefusedException}; nothing of it has been given out then
     */
    Opened open(Frame frame) throws IOException;

    /** The leaf of a frame that is not opened. */
    byte[] leaf(Frame frame) throws IOException;

    /** Forgets the keys, and zeroes the memory that payloads were in. */
    @Override
    void close();
}
