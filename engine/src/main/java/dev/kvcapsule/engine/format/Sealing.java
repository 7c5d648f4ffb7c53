package dev.kvcapsule.engine.format;

import java.io.IOException;
import java.nio.ByteBuffer;

/** Seals one capsule while it is written: the format knows where a seal goes, an implementation knows what it is. */
public interface Sealing extends AutoCloseable {
    /**
     * Signs the manifest. Called once, first.
     *
     * @param lastFrame number of the last frame that will be encrypted; less than 1 if none will be
     * @return the manifest frame's payload
     */
    byte[] manifest(Manifest manifest, long lastFrame) throws IOException;

    /** Makes what encrypts frames, for the calling thread; after {@link #manifest}. */
    FrameSealer newSealer();

    /** Takes note of a frame that is not encrypted; frames come in order. */
    void clear(byte[] header, ByteBuffer payload);

    /** Takes note of an encrypted frame; frames come in order. */
    void encrypted(byte[] leaf);

    /**
     * Signs the trailer. Called once, last.
     *
     * @return the trailer frame's payload
     */
    byte[] trailer(Trailer trailer) throws IOException;

    /** Forgets the keys. */
    @Override
    void close();
}
