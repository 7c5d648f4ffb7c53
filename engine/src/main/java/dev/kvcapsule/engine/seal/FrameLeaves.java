package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.FrameCopy;

/** Leaves of the Merkle tree for frames that others might change: of a private copy, which is what may be looked at afterwards. For one thread. */
final class FrameLeaves implements AutoCloseable {
    private final LeafHash hash;
    private final FrameCopy copy = new FrameCopy();

    FrameLeaves(LeafHash hash) {
        this.hash = hash;
    }

    /** Copies a frame. @return valid until the next call */
    Frame own(Frame frame) throws MalformedDataException {
        return copy.of(frame);
    }

    /** The leaf of such a copy. */
    byte[] leafOfOwn(Frame own) {
        return hash.leaf(own.header(), own.payload(), own.tag());
    }

    /** The leaf of a frame. */
    byte[] leaf(Frame frame) throws MalformedDataException {
        return leafOfOwn(own(frame));
    }

    @Override
    public void close() {
        copy.close();
        hash.close();
    }
}
