package dev.kvcapsule.engine.format;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Checks and decrypts frames: one thread's, closed by it. */
public interface FrameOpener extends AutoCloseable {
    /**
     * Checks a frame and gives its payload as it was before it was sealed, if it was.
     *
     * @return valid until the next call; where nothing is encrypted, the frame's own memory
     * @throws IOException if it is damaged: a {@link dev.kvcapsule.engine.MalformedDataException} or a
     *     {@link dev.kvcapsule.engine.CapsuleRefusedException}; nothing of it has been given out then
     */
    MemorySegment open(Frame frame) throws IOException;

    /** The frame's leaf in the capsule's Merkle tree; empty if it has none. */
    byte[] leaf(Frame frame);

    /** Forgets the keys, and zeroes the memory that payloads were in. */
    @Override
    void close();
}
