package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.keys.KeyException;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.SignatureAlgorithm;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Who signs a {@link CoseMessage}, and whether those who did may: one key, or two that sign together. */
final class Signers {
    private Signers() {}

    /**
     * A key, and the one that signs beside it.
     *
     * @throws KeyException if one is not there or not valid at that time
     */
    static List<VerificationKey> of(String kid, VerificationKeys keys, Instant now) throws IOException {
        List<VerificationKey> signers = new ArrayList<>(List.of(signer(kid, keys, now)));
        Optional<String> pair = signers.getFirst().pair();
        if (pair.isPresent()) {
            signers.add(signer(pair.get(), keys, now));
        }
        return signers;
    }

    private static VerificationKey signer(String kid, VerificationKeys keys, Instant now) throws IOException {
        VerificationKey key = keys.publicKey(kid).orElseThrow(() -> new KeyException("there is no signing key " + kid));
        if (!key.isValidAt(now)) {
            throw new KeyException("key " + kid + " is not valid now");
        }
        return key;
    }

    /** A message that all of them have signed. */
    static byte[] sign(String contentType, byte[] payload, List<VerificationKey> signers, KeyProvider keys) throws IOException {
        List<CoseMessage.Signer> names = signers.stream().map(key -> new CoseMessage.Signer(key.algorithm().cose(), key.kid())).toList();
        List<CoseMessage.CoseSignature> signatures = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            byte[] signature = keys.sign(names.get(i).kid(), CoseMessage.toBeSigned(contentType, names, i, payload));
            signatures.add(new CoseMessage.CoseSignature(names.get(i), signature));
        }
        return new CoseMessage(contentType, payload, signatures).toBytes();
    }

    /** The keys of all signatures: known, valid, of the algorithm that the message names, and all that the registry asks for. */
    static List<VerificationKey> known(List<CoseMessage.Signer> signers, VerificationKeys registry, Instant now) throws IOException {
        List<VerificationKey> found = new ArrayList<>();
        for (CoseMessage.Signer signer : signers) {
            VerificationKey key = registry.publicKey(signer.kid())
                    .orElseThrow(() -> new CapsuleRefusedException(RefusalCode.UNKNOWN_KEY, "is signed by key " + signer.kid() + ", which is not in the registry"));
            if (key.status() == KeyStatus.REVOKED) {
                throw new CapsuleRefusedException(RefusalCode.REVOKED, "is signed by key " + signer.kid() + ", which has been revoked");
            }
            if (!key.isValidAt(now)) {
                throw new CapsuleRefusedException(RefusalCode.KEY_NOT_VALID, "is signed by key " + signer.kid() + ", which is not valid now");
            }
            if (signer.algorithm() != key.algorithm().cose()) {
                throw new CapsuleRefusedException(RefusalCode.ALGORITHM, "names algorithm " + signer.algorithm() + " for key " + signer.kid() + ", which is for "
                        + key.algorithm().label());
            }
            found.add(key);
        }
        boolean paired = found.size() == 2 && found.getFirst().pair().equals(Optional.of(found.getLast().kid()))
                && found.getLast().pair().equals(Optional.of(found.getFirst().kid())) && found.getLast().algorithm() == SignatureAlgorithm.ML_DSA_65;
        boolean alone = found.size() == 1 && found.getFirst().pair().isEmpty();
        if (!paired && !alone) {
            throw new CapsuleRefusedException(RefusalCode.SIGNATURE, "is not signed by the keys that must sign together");
        }
        return found;
    }

    /** @throws CapsuleRefusedException if a signature is not that of its key */
    static void verify(CoseMessage signed, List<VerificationKey> keys) throws CapsuleRefusedException {
        for (int i = 0; i < keys.size(); i++) {
            byte[] bytes = CoseMessage.toBeSigned(signed.contentType(), signed.signers(), i, signed.payload());
            byte[] signature = signed.signatures().get(i).bytes();
            if (signature.length != keys.get(i).algorithm().signatureBytes() || !CryptoProvider.best().verify(keys.get(i), bytes, signature)) {
                throw new CapsuleRefusedException(RefusalCode.SIGNATURE, "the signature of key " + keys.get(i).kid() + " does not hold");
            }
        }
    }
}
