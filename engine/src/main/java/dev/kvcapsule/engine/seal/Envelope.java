package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.Cbor;
import dev.kvcapsule.engine.format.CborMap;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.keys.VerificationKeys;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.List;

/** The public part of a sealed capsule or chunk while it is read: signed manifest, Merkle tree, signed trailer. */
final class Envelope<C extends Claims> implements AutoCloseable {
    static final String MANIFEST_TYPE = "application/vnd.kvcapsule.manifest+cbor";
    static final String CHUNK_TYPE = "application/vnd.kvcapsule.chunk+cbor";
    static final String TRAILER_TYPE = "application/vnd.kvcapsule.trailer+cbor";

    /** One capsule's only: a second one would be checked against the first one's keys and tree. */
    private enum Stage { NEW, READ, CLOSED }

    /** Reads the field {@code seal}. */
    interface Parser<C> {
        C parse(CborMap map) throws MalformedDataException;
    }

    private final String type;
    private final Parser<C> parser;
    private final MerkleTree tree = new MerkleTree();
    private final LeafHash hash;
    private CoseMessage message;
    private List<CoseMessage.Signer> signers;
    private List<VerificationKey> keys = List.of();
    private byte[] manifestDigest;
    private Manifest manifest;
    private C claims;
    private volatile Stage stage = Stage.NEW;

    private Envelope(CryptoProvider crypto, String type, Parser<C> parser) {
        this.type = type;
        this.parser = parser;
        this.hash = crypto.leafHash();
    }

    /** A capsule's. */
    static Envelope<SealClaims> ofCapsule(CryptoProvider crypto) {
        return new Envelope<>(crypto, MANIFEST_TYPE, SealClaims::of);
    }

    /** A chunk's, which is signed as what it is: neither can be taken for the other. */
    static Envelope<ChunkClaims> ofChunk(CryptoProvider crypto) {
        return new Envelope<>(crypto, CHUNK_TYPE, ChunkClaims::of);
    }

    Manifest manifest() {
        return manifest;
    }

    C claims() {
        return claims;
    }

    byte[] manifestDigest() {
        return manifestDigest;
    }

    List<String> kids() {
        return signers.stream().map(CoseMessage.Signer::kid).toList();
    }

    /** Reads the manifest frame's payload, and believes it: {@link #verify} comes next wherever that matters. */
    void read(MemorySegment payload, long offset) throws IOException {
        if (stage != Stage.NEW) {
            throw new IllegalStateException("opens one capsule, once");
        }
        stage = Stage.READ;
        byte[] bytes = payload.toArray(ValueLayout.JAVA_BYTE);
        if (bytes.length > 0 && (bytes[0] & 0xe0) == 0xa0) {
            throw new CapsuleRefusedException(RefusalCode.UNSEALED, "is not sealed: anybody could have made or changed it");
        }
        message = CoseMessage.parse(bytes, type, offset);
        signers = message.signers();
        manifestDigest = MerkleTree.sha256().digest(bytes);
        CborMap map = new CborMap(Cbor.read(ByteBuffer.wrap(message.payload()), offset), "manifest", offset);
        manifest = Manifest.of(map);
        claims = parser.parse(map.map("seal"));
        map.end();
    }

    /** @throws IllegalStateException before {@link #read}, and after {@link #close} */
    void requireOpen() {
        if (stage != Stage.READ) {
            throw new IllegalStateException(stage == Stage.NEW ? "no manifest has been read" : "is closed");
        }
    }

    /** Checks that the manifest was signed by keys that the registry has, and that are good then. */
    void verify(VerificationKeys registry, Instant now) throws IOException {
        requireOpen();
        keys = Signers.known(signers, registry, now);
        Signers.verify(message, keys);
    }

    /** Checks what may change while a capsule arrives slowly: its keys, its revocation, its time. */
    void checkStillValid(VerificationKeys registry, Instant now) throws IOException {
        requireOpen();
        Signers.known(signers, registry, now);
        checkValid(registry, now);
    }

    /** Checks revocation and time. */
    void checkValid(VerificationKeys registry, Instant now) throws IOException {
        if (registry.isRevoked(claims.capsuleId())) {
            throw new CapsuleRefusedException(RefusalCode.REVOKED, "the capsule has been revoked");
        }
        if (now.isBefore(claims.notBefore())) {
            throw new CapsuleRefusedException(RefusalCode.NOT_YET_VALID, "is valid from " + claims.notBefore() + " on");
        }
        if (!now.isBefore(claims.expires())) {
            throw new CapsuleRefusedException(RefusalCode.EXPIRED, "expired at " + claims.expires());
        }
    }

    void clear(Frame frame) {
        tree.add(hash.leaf(frame.header(), frame.payload(), MemorySegment.NULL));
    }

    void checked(byte[] leaf) {
        tree.add(leaf);
    }

    Trailer trailer(MemorySegment payload, long offset) throws IOException {
        requireOpen();
        CoseMessage end = CoseMessage.parse(payload.toArray(ValueLayout.JAVA_BYTE), TRAILER_TYPE, offset);
        if (!end.signers().equals(signers)) {
            throw new CapsuleRefusedException(RefusalCode.SIGNATURE, "the trailer is signed by other keys than the manifest");
        }
        Signers.verify(end, keys);
        CborMap map = new CborMap(Cbor.read(ByteBuffer.wrap(end.payload()), offset), "trailer", offset);
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

    /** Over all frames but the trailer. */
    byte[] root() {
        return tree.root();
    }

    @Override
    public void close() {
        if (stage == Stage.CLOSED) {
            return;
        }
        stage = Stage.CLOSED;
        hash.close();
    }
}
