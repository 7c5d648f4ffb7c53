package dev.kvcapsule.engine.seal;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** What frames of one capsule are encrypted with: the key, and how nonces and associated data follow from a frame's place. */
final class FrameKeys implements AutoCloseable {
    private static final int HEADER_BYTES = 36;
    private static final long MOST_FRAMES = 0xffff_ffffL;

    private final AeadAlgorithm algorithm;
    private final byte[] key;
    private final byte[] noncePrefix;
    private final byte[] capsuleId;
    private final byte[] manifestDigest;
    private final long lastFrame;
    private volatile boolean closed;

    FrameKeys(AeadAlgorithm algorithm, DataKey dataKey, byte[] capsuleId, byte[] manifestDigest, long lastFrame) {
        this.algorithm = algorithm;
        this.key = dataKey.encryption();
        this.noncePrefix = dataKey.noncePrefix();
        this.capsuleId = capsuleId;
        this.manifestDigest = manifestDigest;
        this.lastFrame = lastFrame;
    }

    Aead aead(CryptoProvider crypto) {
        requireOpen();
        return crypto.aead(algorithm, key);
    }

    /** Prefix (7), frame number (u32, big-endian), 1 for the last encrypted frame and 0 for others. */
    byte[] nonce(long sequence) {
        requireOpen();
        if (sequence > MOST_FRAMES) {
            throw new IllegalArgumentException("a sealed capsule has at most " + MOST_FRAMES + " frames");
        }
        return ByteBuffer.allocate(Aead.NONCE_BYTES).put(noncePrefix).putInt((int) sequence).put((byte) (sequence == lastFrame ? 1 : 0)).array();
    }

    /** Capsule id (16), manifest digest (32), the first 36 bytes of the frame's header: number, type, item, piece and length among them. */
    byte[] associated(byte[] header) {
        return ByteBuffer.allocate(capsuleId.length + manifestDigest.length + HEADER_BYTES).put(capsuleId).put(manifestDigest).put(header, 0, HEADER_BYTES).array();
    }

    /** The key is zeros afterwards, which anybody knows. */
    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the keys have been forgotten");
        }
    }

    @Override
    public void close() {
        closed = true;
        Arrays.fill(key, (byte) 0);
        Arrays.fill(noncePrefix, (byte) 0);
    }
}
