package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.keys.KeyProvider;
import java.io.IOException;

/** What opens frames with the data key, under a policy whose operator hears why something is refused. */
abstract class KeyedOpening<C extends Claims> extends EnvelopeOpening<C> {
    final KeyProvider keys;
    final RestorePolicy policy;
    final OpenedKeys opened;

    KeyedOpening(Envelope<C> envelope, KeyProvider keys, RestorePolicy policy, CryptoProvider crypto) {
        super(envelope);
        this.keys = keys;
        this.policy = policy;
        this.opened = new OpenedKeys(keys, crypto);
    }

    /** Something that may be refused. */
    interface Check<T> {
        T run() throws IOException;
    }

    /** The operator hears the true reason; of {@link RefusalCode#NOT_FOUND} it has been told already. */
    final <T> T logged(Check<T> check) throws IOException {
        try {
            return check.run();
        } catch (CapsuleRefusedException e) {
            if (e.code() != RefusalCode.NOT_FOUND) {
                policy.log().refused(e.code(), e.getMessage());
            }
            throw e;
        }
    }

    @Override
    public final FrameOpener newOpener(long lastFrame) {
        return opened.newOpener(envelope, lastFrame, policy.log());
    }

    @Override
    public final IOException refusal(MalformedDataException damage) {
        CapsuleRefusedException refused = CapsuleRefusedException.of(damage);
        policy.log().refused(refused.code(), refused.getMessage());
        return refused;
    }

    @Override
    public final void close() {
        super.close();
        opened.close();
    }
}
