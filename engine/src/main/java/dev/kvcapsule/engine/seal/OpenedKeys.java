package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.keys.KeyProvider;
import java.io.IOException;
import java.security.MessageDigest;
import java.util.Arrays;

/** The data key of one capsule or chunk, unwrapped, and what opens its frames. */
final class OpenedKeys implements AutoCloseable {
    private final KeyProvider keys;
    private final CryptoProvider crypto;
    private DataKey dataKey;
    private FrameKeys frameKeys;

    OpenedKeys(KeyProvider keys, CryptoProvider crypto) {
        this.keys = keys;
        this.crypto = crypto;
    }

    /** @throws CapsuleRefusedException if the tenant's key is gone or revoked, or this is not the key that the claims commit to */
    void open(Claims claims) throws IOException {
        dataKey = new DataKey(unwrap(claims), claims.capsuleId());
        if (!MessageDigest.isEqual(dataKey.commitment(), claims.keyCommitment())) {
            throw new CapsuleRefusedException(RefusalCode.DATA_KEY, "the data key is not the one that the manifest commits to");
        }
    }

    DataKey dataKey() {
        return dataKey;
    }

    /** Asks once more: whether the tenant's epoch still is good only its keeper knows. */
    void checkStillGiven(Claims claims) throws IOException {
        Arrays.fill(unwrap(claims), (byte) 0);
    }

    private byte[] unwrap(Claims claims) throws IOException {
        byte[] context = SealWriter.context(claims.capsuleId(), claims.tenant(), claims.epoch());
        return keys.unwrap(claims.tenant(), claims.epoch(), claims.wrappedKey(), context);
    }

    synchronized FrameOpener newOpener(Envelope<?> envelope, long lastFrame, RefusalLog log) {
        envelope.requireOpen();
        if (frameKeys == null) {
            frameKeys = new FrameKeys(envelope.claims().aead(), dataKey, envelope.claims().capsuleId(), envelope.manifestDigest(), lastFrame);
        }
        return new SealedFrames(frameKeys.aead(crypto), crypto.leafHash(), frameKeys, log);
    }

    @Override
    public synchronized void close() {
        if (dataKey != null) {
            dataKey.close();
        }
        if (frameKeys != null) {
            frameKeys.close();
        }
    }
}
