package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.List;

/**
 * Who vouches for a file that has a digest and no seal, a shared basis: a COSE message (RFC 9052) over the digest, kept beside it. docs/format.md,
 * "Signatures of bases".
 */
public final class FileSignature {
    /** What the name of a signature ends with, behind that of its file. */
    public static final String SUFFIX = ".sig";

    /** More bytes than any signature has. */
    public static final int MAX_BYTES = 16 << 10;

    private static final String TYPE = "application/vnd.kvcapsule.sha256";

    private FileSignature() {}

    /**
     * Signs.
     *
     * @param sha256 that the file is known by, 32 bytes: whoever signs has checked it
     * @param kid an active key; one that it is paired with signs, too
     * @throws dev.kvcapsule.engine.keys.KeyException if a key is not there or may not be used
     */
    public static byte[] sign(byte[] sha256, String kid, KeyProvider keys, Instant now) throws IOException {
        return Signers.sign(TYPE, sha256, Signers.of(kid, keys, now), keys);
    }

    /**
     * Checks a signature.
     *
     * @param signature anything
     * @param sha256 of the file that it should be of
     * @return names of the keys that signed
     * @throws MalformedDataException if it is no signature
     * @throws CapsuleRefusedException if it is of another file, or of keys that are unknown, revoked or not valid at that time
     */
    public static List<String> verify(byte[] signature, byte[] sha256, VerificationKeys keys, Instant now) throws IOException {
        CoseMessage message = CoseMessage.parse(signature, TYPE, 0);
        List<VerificationKey> known = Signers.known(message.signers(), keys, now);
        Signers.verify(message, known);
        if (!MessageDigest.isEqual(message.payload(), sha256)) {
            throw new CapsuleRefusedException(RefusalCode.SIGNATURE, "the signature is of another file");
        }
        return known.stream().map(VerificationKey::kid).toList();
    }
}
