package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.format.Cbor;
import dev.kvcapsule.engine.format.FrameSealer;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.format.SealedFrame;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.KeyException;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.keys.VerificationKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** How a capsule is sealed, whatever its manifest claims: a data key and an id of its own, encrypted frames, a Merkle tree, two signed messages. Seals one, once. */
final class SealWriter implements AutoCloseable {
    private static final int ID_BYTES = 16;

    private enum Stage { NEW, SEALING, CLOSED }

    private final KeyProvider keys;
    private final CryptoProvider crypto;
    private final byte[] capsuleId = DataKey.random(ID_BYTES);
    private final DataKey dataKey = new DataKey(DataKey.random(DataKey.BYTES), capsuleId);
    private final MerkleTree tree = new MerkleTree();
    private final LeafHash hash;
    private final List<VerificationKey> signers;
    private byte[] manifestDigest;
    private FrameKeys frameKeys;
    private volatile Stage stage = Stage.NEW;

    /** @throws KeyException if the signing key is not there or may not be used */
    SealWriter(String signer, Instant created, KeyProvider keys, CryptoProvider crypto) throws IOException {
        this.keys = keys;
        this.crypto = crypto;
        this.signers = Signers.of(signer, keys, created);
        this.hash = crypto.leafHash();
    }

    byte[] capsuleId() {
        return capsuleId;
    }

    DataKey dataKey() {
        return dataKey;
    }

    /** The data key as the tenant's key of that epoch wraps it. */
    byte[] wrapped(String tenant, long epoch) throws IOException {
        return keys.wrap(tenant, epoch, dataKey.bytes(), context(capsuleId, tenant, epoch));
    }

    /** What a wrapped data key is bound to: deterministic CBOR of capsule id, tenant and epoch. */
    static byte[] context(byte[] capsuleId, String tenant, long epoch) {
        return Cbor.write(List.of(capsuleId, tenant, epoch));
    }

    private void require(Stage wanted) {
        if (stage != wanted) {
            throw new IllegalStateException(switch (stage) {
                case NEW -> "the manifest comes first";
                case SEALING -> "seals one capsule, once";
                case CLOSED -> "is closed";
            });
        }
    }

    /** Says that the manifest is about to be made; once. */
    void begin() {
        require(Stage.NEW);
        stage = Stage.SEALING;
    }

    /** Signs the manifest. @param fields its, with the claims among them */
    byte[] manifest(String contentType, Map<String, Object> fields, AeadAlgorithm aead, long lastFrame) throws IOException {
        require(Stage.SEALING);
        byte[] message = sign(contentType, fields);
        manifestDigest = MerkleTree.sha256().digest(message);
        frameKeys = new FrameKeys(aead, dataKey, capsuleId, manifestDigest, lastFrame);
        return message;
    }

    private byte[] sign(String contentType, Map<String, Object> fields) throws IOException {
        return Signers.sign(contentType, Cbor.write(fields), signers, keys);
    }

    FrameSealer newSealer() {
        require(Stage.SEALING);
        return new Sealer(frameKeys.aead(crypto), crypto.leafHash(), frameKeys);
    }

    void clear(byte[] header, ByteBuffer payload) {
        require(Stage.SEALING);
        tree.add(hash.leaf(header, MemorySegment.ofBuffer(payload), MemorySegment.NULL));
    }

    void encrypted(byte[] leaf) {
        require(Stage.SEALING);
        tree.add(leaf);
    }

    byte[] trailer(Trailer trailer) throws IOException {
        require(Stage.SEALING);
        Map<String, Object> fields = trailer.toMap();
        fields.put("capsule_id", capsuleId);
        fields.put("manifest_digest", manifestDigest);
        fields.put("merkle_root", tree.root());
        return sign(Envelope.TRAILER_TYPE, fields);
    }

    /** Over all frames so far: what the trailer signs, once it is written. */
    byte[] root() {
        return tree.root();
    }

    @Override
    public void close() {
        if (stage == Stage.CLOSED) {
            return;
        }
        stage = Stage.CLOSED;
        dataKey.close();
        hash.close();
        if (frameKeys != null) {
            frameKeys.close();
        }
    }

    /** One thread's. */
    private record Sealer(Aead aead, LeafHash hash, FrameKeys keys) implements FrameSealer {
        private static final int CHECKED_BYTES = 36;

        @Override
        public SealedFrame seal(FrameType type, long sequence, int item, int piece, MemorySegment memory, int payloadBytes) {
            byte[] header = FrameSealer.header(type, sequence, item, piece, payloadBytes);
            MemorySegment payload = memory.asSlice(0, payloadBytes);
            MemorySegment tag = memory.asSlice(payloadBytes, TAG_BYTES);
            aead.encrypt(keys.nonce(sequence), keys.associated(header), payload, tag);
            byte[] leaf = hash.leaf(Arrays.copyOf(header, CHECKED_BYTES), payload, tag);
            return new SealedFrame(header, memory.asSlice(0, (long) payloadBytes + TAG_BYTES), leaf);
        }

        @Override
        public void close() {
            aead.close();
            hash.close();
        }
    }
}
