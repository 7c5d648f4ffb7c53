package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.format.Cbor;
import dev.kvcapsule.engine.format.FrameSealer;
import dev.kvcapsule.engine.format.FrameType;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.SealedFrame;
import dev.kvcapsule.engine.format.Sealing;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.KeyException;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.keys.VerificationKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Seals one capsule, once, since a second one would repeat its nonces: give it to {@link dev.kvcapsule.engine.pipeline.CapsuleEncoder}, and close it afterwards. */
public final class CapsuleSeal implements Sealing {
    private static final int ID_BYTES = 16;

    private enum Stage { NEW, SEALING, CLOSED }

    private final SealSpec spec;
    private final KeyProvider keys;
    private final CryptoProvider crypto;
    private final byte[] capsuleId = DataKey.random(ID_BYTES);
    private final DataKey dataKey = new DataKey(DataKey.random(DataKey.BYTES), capsuleId);
    private final MerkleTree tree = new MerkleTree();
    private final LeafHash hash;
    private final List<VerificationKey> signers;
    private SealClaims claims;
    private byte[] manifestDigest;
    private FrameKeys frameKeys;
    private volatile Stage stage = Stage.NEW;

    /**
     * @param spec what to bind the capsule to
     * @param keys who signs, and wraps the data key
     * @throws KeyException if a key is not there or may not be used
     */
    public CapsuleSeal(SealSpec spec, KeyProvider keys) throws IOException {
        this(spec, keys, CryptoProvider.best());
    }

    /** The same with that provider. */
    public CapsuleSeal(SealSpec spec, KeyProvider keys, CryptoProvider crypto) throws IOException {
        this.spec = spec;
        this.keys = keys;
        this.crypto = crypto;
        this.signers = Signers.of(spec.signer(), keys, spec.created());
        this.hash = crypto.leafHash();
    }

    /** What the capsule is bound to; known once the manifest is written. */
    public SealClaims claims() {
        return claims;
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

    @Override
    public byte[] manifest(Manifest manifest, long lastFrame) throws IOException {
        require(Stage.NEW);
        stage = Stage.SEALING;
        long epoch = keys.epoch(spec.tenant());
        byte[] wrapped = keys.wrap(spec.tenant(), epoch, dataKey.bytes(), context(capsuleId, spec.tenant(), epoch));
        Optional<byte[]> prefix = spec.tokens().map(tokens -> PrefixDigest.of(dataKey.prefixSecret(), tokens, tokens.length));
        claims = new SealClaims(capsuleId, spec.issuer(), spec.scope(), spec.model(), spec.runtime(), prefix, spec.tokens().map(tokens -> tokens.length).orElse(0),
                PositionRange.of(manifest.layout()), spec.created(), spec.notBefore(), spec.notBefore().plus(spec.lifetime()), spec.generation(), spec.tenant(), epoch,
                spec.aead(), wrapped, dataKey.commitment());
        Map<String, Object> fields = manifest.toMap();
        fields.put("seal", claims.toMap());
        byte[] message = sign(Envelope.MANIFEST_TYPE, fields);
        manifestDigest = MerkleTree.sha256().digest(message);
        frameKeys = new FrameKeys(spec.aead(), dataKey, capsuleId, manifestDigest, lastFrame);
        return message;
    }

    /** What a wrapped data key is bound to: deterministic CBOR of capsule id, tenant and epoch. */
    static byte[] context(byte[] capsuleId, String tenant, long epoch) {
        return Cbor.write(List.of(capsuleId, tenant, epoch));
    }

    private byte[] sign(String contentType, Map<String, Object> fields) throws IOException {
        return Signers.sign(contentType, Cbor.write(fields), signers, keys);
    }

    @Override
    public FrameSealer newSealer() {
        require(Stage.SEALING);
        return new Sealer(frameKeys.aead(crypto), crypto.leafHash(), frameKeys);
    }

    @Override
    public void clear(byte[] header, ByteBuffer payload) {
        require(Stage.SEALING);
        tree.add(hash.leaf(header, MemorySegment.ofBuffer(payload), MemorySegment.NULL));
    }

    @Override
    public void encrypted(byte[] leaf) {
        require(Stage.SEALING);
        tree.add(leaf);
    }

    @Override
    public byte[] trailer(Trailer trailer) throws IOException {
        require(Stage.SEALING);
        Map<String, Object> fields = trailer.toMap();
        fields.put("capsule_id", capsuleId);
        fields.put("manifest_digest", manifestDigest);
        fields.put("merkle_root", tree.root());
        return sign(Envelope.TRAILER_TYPE, fields);
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
            byte[] leaf = hash.leaf(java.util.Arrays.copyOf(header, CHECKED_BYTES), payload, tag);
            return new SealedFrame(header, memory.asSlice(0, (long) payloadBytes + TAG_BYTES), leaf);
        }

        @Override
        public void close() {
            aead.close();
            hash.close();
        }
    }
}
