package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.FrameOpener;
import java.io.IOException;

/** Frames of which the Merkle tree's leaves are computed, and which stay closed. */
final class LeavesOnly implements FrameOpener {
    private final FrameLeaves leaves;

    LeavesOnly(CryptoProvider crypto) {
        this.leaves = new FrameLeaves(crypto.leafHash());
    }

    @Override
    public Opened open(Frame frame) throws CapsuleRefusedException {
        throw new CapsuleRefusedException(RefusalCode.NO_TENANT_KEY, "is encrypted, and public keys open nothing");
    }

    @Override
    public byte[] leaf(Frame frame) throws IOException {
        return leaves.leaf(frame);
    }

    @Override
    public void close() {
        leaves.close();
    }
}
