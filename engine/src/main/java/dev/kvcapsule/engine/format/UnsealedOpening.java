package dev.kvcapsule.engine.format;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Capsules without a seal: checksums, and no secrets. */
final class UnsealedOpening implements Opening, FrameOpener {
    private static final byte[] NO_LEAF = new byte[0];

    @Override
    public Manifest manifest(MemorySegment payload, long offset) throws IOException {
        if (CapsuleReader.isSealedManifest(payload)) {
            throw new CapsuleRefusedException(RefusalCode.SEALED, "is sealed: it opens with keys, and is not read without");
        }
        return Manifest.parse(payload.asByteBuffer(), offset);
    }

    @Override
    public boolean isSealed() {
        return false;
    }

    @Override
    public FrameOpener newOpener(long lastFrame) {
        return this;
    }

    @Override
    public Opened open(Frame frame) throws MalformedDataException {
        frame.verify();
        return new Opened(frame.payload(), NO_LEAF);
    }

    @Override
    public byte[] leaf(Frame frame) {
        return NO_LEAF;
    }

    @Override
    public void checked(byte[] leaf) {
        // Checksums of headers are the reader's business.
    }

    @Override
    public void clear(Frame frame) {
        // As above.
    }

    @Override
    public Trailer trailer(MemorySegment payload, long offset) throws MalformedDataException {
        return Trailer.parse(payload.asByteBuffer(), offset);
    }

    @Override
    public void accept() {
        // Nothing to remember.
    }

    @Override
    public IOException refusal(MalformedDataException damage) {
        return damage;
    }

    @Override
    public void close() {
        // No keys.
    }
}
