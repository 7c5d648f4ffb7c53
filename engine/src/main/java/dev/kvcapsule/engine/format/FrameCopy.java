package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.memory.GrowingBuffer;

/**
 * Private memory for one frame at a time, for one thread. What lies in a mapped file can change, or end, while it is looked at: bytes that are hashed, authenticated and
 * decrypted must be the same ones, and native code that reads past a file's new end takes the process with it, where a copy in Java fails.
 */
public final class FrameCopy implements AutoCloseable {
    private final GrowingBuffer memory = GrowingBuffer.ofOneThread();

    /** Empty; grows with the frames. */
    public FrameCopy() {}

    /**
     * Copies payload and tag.
     *
     * @return valid until the next call
     * @throws MalformedDataException if the file they are in has been cut short
     */
    public Frame of(Frame frame) throws MalformedDataException {
        try {
            return frame.movedTo(memory.atLeast(frame.payload().byteSize() + frame.tag().byteSize()));
        } catch (InternalError e) {
            // What the JVM makes of a page of a mapped file that is not there any more.
            throw MalformedDataException.truncated(frame.payloadOffset(), frame.name() + " payload", frame.payload().byteSize(), 0);
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
