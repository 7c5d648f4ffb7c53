package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Decides about the seal of one capsule while it is read: the format knows where a seal is, an implementation knows what must hold. */
public interface Opening extends AutoCloseable {
    /** Reads capsules without a seal, and refuses others. */
    static Opening unsealed() {
        return new UnsealedOpening();
    }

    /**
     * Reads the manifest, and decides whether anything after it may be read. Called once, first.
     *
     * @param payload the manifest frame's, at most 16 MiB
     * @param offset where it lies in the capsule, for messages
     * @throws dev.kvcapsule.engine.CapsuleRefusedException if it may not
     */
    Manifest manifest(MemorySegment payload, long offset) throws IOException;

    /** Whether blobs, basis and tiles must be encrypted; known after {@link #manifest}. */
    boolean isSealed();

    /** Makes what opens frames, for the calling thread. @param lastFrame number of the last encrypted frame */
    FrameOpener newOpener(long lastFrame);

    /** Takes note of a frame that has been checked; frames come in order. @param leaf what the opener gave for it */
    void checked(byte[] leaf);

    /** Takes note of a frame that is not encrypted; frames come in order. */
    void clear(Frame frame);

    /** Reads and checks the trailer. */
    Trailer trailer(MemorySegment payload, long offset) throws IOException;

    /** Everything that was wanted has been read and held: what comes after this is the hand-over. */
    void accept() throws IOException;

    /** What to throw for a capsule whose structure is damaged. */
    IOException refusal(MalformedDataException damage);

    /** Forgets the keys. */
    @Override
    void close();
}
