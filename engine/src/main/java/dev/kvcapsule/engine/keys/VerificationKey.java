package dev.kvcapsule.engine.keys;

import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.time.Instant;
import java.util.Optional;

/**
 * The public half of a signing key, and what the registry says of it.
 *
 * @param kid its name, 1 to 64 of A-Z a-z 0-9 . _ -
 * @param algorithm what it signs with: this, and never what a capsule says, decides how a signature is checked
 * @param key the key
 * @param notBefore from when on it is valid
 * @param notAfter until when it is valid; empty for ever
 * @param status what it may be used for
 * @param pair the key that signs beside it: then neither signature is enough alone
 */
public record VerificationKey(String kid, SignatureAlgorithm algorithm, PublicKey key, Instant notBefore, Optional<Instant> notAfter, KeyStatus status,
        Optional<String> pair) {
    /** Whether its time has come and is not over. */
    public boolean isValidAt(Instant now) {
        return !now.isBefore(notBefore) && notAfter.map(now::isBefore).orElse(true);
    }

    /** The same key in another state. */
    public VerificationKey withStatus(KeyStatus other) {
        return new VerificationKey(kid, algorithm, key, notBefore, notAfter, other, pair);
    }

    /** Whether a signature over a message holds. Never throws for any signature. */
    public boolean verify(byte[] message, byte[] signature) {
        try {
            Signature verifier = Signature.getInstance(algorithm.jca());
            verifier.initVerify(key);
            verifier.update(message);
            return verifier.verify(signature);
        } catch (GeneralSecurityException e) {
            return false;
        }
    }
}
