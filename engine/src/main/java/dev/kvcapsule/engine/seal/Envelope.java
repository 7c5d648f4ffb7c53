package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.Cbor;
import dev.kvcapsule.engine.format.CborMap;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.KeyStatus;
import dev.kvcapsule.engine.keys.SignatureAlgorithm;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The public part of a sealed capsule while it is read: signed manifest, Merkle tree, signed trailer. */
final class Envelope implements AutoCloseable {
    static final String MANIFEST_TYPE = "application/vnd.kvcapsule.manifest+cbor";
    static final String TRAILER_TYPE = "application/vnd.kvcapsule.trailer+cbor";

    private final MerkleTree tree = new MerkleTree();
    private final LeafHash hash;
    private List<CoseMessage.Signer> signers;
    private List<VerificationKey> keys = List.of();
    private byte[] manifestDigest;
    private Manifest manifest;
    private SealClaims claims;

    Envelope(CryptoProvider crypto) {
        this.hash = crypto.leafHash();
    }

    Manifest manifest() {
        return manifest;
    }

    SealClaims claims() {
        return claims;
    }

    byte[] manifestDigest() {
        return manifestDigest;
    }

    List<String> kids() {
        return signers.stream().map(CoseMessage.Signer::kid).toList();
    }

    /**
     * Reads the manifest frame's payload.
     *
     * @param registry keys to verify it with; empty to believe it
     */
    void open(MemorySegment payload, long offset, Optional<VerificationKeys> registry, Instant now) throws IOException {
        byte[] bytes = payload.toArray(ValueLayout.JAVA_BYTE);
        if (bytes.length > 0 && (bytes[0] & 0xe0) == 0xa0) {
            throw new CapsuleRefusedException(RefusalCode.UNSEALED, "is not sealed: anybody could have made or changed it");
        }
        CoseMessage message = CoseMessage.parse(bytes, MANIFEST_TYPE, offset);
        signers = message.signers();
        if (registry.isPresent()) {
            keys = keys(registry.get(), now);
            verify(message);
        }
        manifestDigest = MerkleTree.sha256().digest(bytes);
        CborMap map = new CborMap(Cbor.read(ByteBuffer.wrap(message.payload()), offset), "manifest", offset);
        manifest = Manifest.of(map);
        claims = SealClaims.of(map.map("seal"));
        map.end();
    }

    /** The keys of all signatures: known, valid, of the algorithm that the capsule names, and all that the registry asks for. */
    private List<VerificationKey> keys(VerificationKeys registry, Instant now) throws IOException {
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

    private void verify(CoseMessage message) throws CapsuleRefusedException {
        for (int i = 0; i < keys.size(); i++) {
            byte[] signed = CoseMessage.toBeSigned(message.contentType(), message.signers(), i, message.payload());
            byte[] signature = message.signatures().get(i).bytes();
            if (signature.length != keys.get(i).algorithm().signatureBytes() || !keys.get(i).verify(signed, signature)) {
                throw new CapsuleRefusedException(RefusalCode.SIGNATURE, "the signature of key " + keys.get(i).kid() + " does not hold");
            }
        }
    }

    void clear(Frame frame) {
        tree.add(hash.leaf(frame.header(), frame.payload(), MemorySegment.NULL));
    }

    void checked(byte[] leaf) {
        tree.add(leaf);
    }

    Trailer trailer(MemorySegment payload, long offset) throws IOException {
        CoseMessage message = CoseMessage.parse(payload.toArray(ValueLayout.JAVA_BYTE), TRAILER_TYPE, offset);
        if (!message.signers().equals(signers)) {
            throw new CapsuleRefusedException(RefusalCode.SIGNATURE, "the trailer is signed by other keys than the manifest");
        }
        verify(message);
        CborMap map = new CborMap(Cbor.read(ByteBuffer.wrap(message.payload()), offset), "trailer", offset);
        Trailer trailer = Trailer.of(map);
        boolean ours = MessageDigest.isEqual(map.bytes("capsule_id"), claims.capsuleId()) & MessageDigest.isEqual(map.bytes("manifest_digest"), manifestDigest);
        if (!ours) {
            throw map.malformed("is of another capsule");
        }
        if (!MessageDigest.isEqual(map.bytes("merkle_root"), tree.root())) {
            throw map.malformed("the Merkle root is not that of these frames");
        }
        map.end();
        return trailer;
    }

    @Override
    public void close() {
        hash.close();
    }
}
