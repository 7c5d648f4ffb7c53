package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.util.Optional;

/** What is enough to verify capsules without being able to read or make one. */
public interface VerificationKeys {
    /** The public half of a signing key, whatever its state; empty if it is not known. */
    Optional<VerificationKey> publicKey(String kid) throws IOException;

    /** Whether a capsule has been revoked by its id, 16 bytes. */
    boolean isRevoked(byte[] capsuleId) throws IOException;

    /**
     * What a tenant's key of that epoch may be used for. Says nothing of whether it is held here.
     *
     * @return empty if nothing is known of it: key sets carry signing keys only
     * @throws KeyException if what is known of it is damaged
     */
    Optional<KeyStatus> epochStatus(String tenant, long epoch) throws IOException;
}
