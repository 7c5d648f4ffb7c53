package dev.kvcapsule.engine.keys;

import java.io.IOException;
import java.util.Optional;

/** What is enough to verify capsules without being able to read or make one. */
public interface VerificationKeys {
    /** The public half of a signing key, whatever its state; empty if it is not known. */
    Optional<VerificationKey> publicKey(String kid) throws IOException;

    /** Whether a capsule has been revoked by its id, 16 bytes. */
    boolean isRevoked(byte[] capsuleId) throws IOException;
}
