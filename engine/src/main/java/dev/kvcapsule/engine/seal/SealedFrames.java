package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Opens encrypted frames, for one thread: into memory of its own, which is zeroed when it is given back. */
final class SealedFrames implements FrameOpener {
    private final Aead aead;
    private final FrameLeaves leaves;
    private final FrameKeys keys;
    private final RefusalLog log;
    private final GrowingBuffer plain = GrowingBuffer.ofOneThread();

    SealedFrames(Aead aead, LeafHash hash, FrameKeys keys, RefusalLog log) {
        this.aead = aead;
        this.leaves = new FrameLeaves(hash);
        this.keys = keys;
        this.log = log;
    }

    @Override
    public Opened open(Frame theirs) throws IOException {
        Frame frame = leaves.own(theirs);
        byte[] leaf = leaves.leafOfOwn(frame);
        long bytes = frame.payload().byteSize();
        MemorySegment target = plain.atLeast(bytes).asSlice(0, bytes);
        if (!aead.decrypt(keys.nonce(frame.sequence()), keys.associated(frame.header()), frame.payload(), frame.tag(), target)) {
            String message = "offset " + frame.payloadOffset() + ", " + frame.name() + " " + frame.item() + "." + frame.piece() + ": the tag does not hold";
            log.refused(RefusalCode.DAMAGED, message);
            throw new CapsuleRefusedException(RefusalCode.DAMAGED, message);
        }
        return new Opened(target, leaf);
    }

    @Override
    public byte[] leaf(Frame frame) throws IOException {
        return leaves.leaf(frame);
    }

    @Override
    public void close() {
        plain.close();
        leaves.close();
        aead.close();
    }
}
