package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.Opening;

/** What opening a sealed capsule or chunk and only looking at it have in common: an envelope, whose tree takes note of each frame. */
abstract class EnvelopeOpening<C extends Claims> implements Opening {
    final Envelope<C> envelope;

    EnvelopeOpening(Envelope<C> envelope) {
        this.envelope = envelope;
    }

    @Override
    public final boolean isSealed() {
        return true;
    }

    @Override
    public final void checked(byte[] leaf) {
        envelope.checked(leaf);
    }

    @Override
    public final void clear(Frame frame) {
        envelope.clear(frame);
    }

    @Override
    public void close() {
        envelope.close();
    }
}
