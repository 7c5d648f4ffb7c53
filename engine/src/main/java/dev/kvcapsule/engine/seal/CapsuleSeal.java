package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.format.FrameSealer;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Sealing;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.KeyException;
import dev.kvcapsule.engine.keys.KeyProvider;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Seals one capsule, once, since a second one would repeat its nonces: give it to {@link dev.kvcapsule.engine.pipeline.CapsuleEncoder}, and close it afterwards. */
public final class CapsuleSeal implements Sealing {
    private final SealSpec spec;
    private final List<ChunkRef> chunks;
    private final KeyProvider keys;
    private final SealWriter writer;
    private SealClaims claims;

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
        this(spec, List.of(), keys, crypto);
    }

    /** The same for the end of an incremental capsule. @param chunks that it goes on from, in the order of their tokens */
    public CapsuleSeal(SealSpec spec, List<ChunkRef> chunks, KeyProvider keys) throws IOException {
        this(spec, chunks, keys, CryptoProvider.best());
    }

    private CapsuleSeal(SealSpec spec, List<ChunkRef> chunks, KeyProvider keys, CryptoProvider crypto) throws IOException {
        this.spec = spec;
        this.chunks = List.copyOf(chunks);
        this.keys = keys;
        this.writer = new SealWriter(spec.signer(), spec.created(), keys, crypto);
    }

    /** What the capsule is bound to; known once the manifest is written. */
    public SealClaims claims() {
        return claims;
    }

    /** What the capsule is bound to, as far as that was asked for. */
    public SealSpec spec() {
        return spec;
    }

    /** The capsule's id, 32 hexadecimal digits, before anything of it is written. */
    public String id() {
        return HexFormat.of().formatHex(writer.capsuleId());
    }

    @Override
    public byte[] manifest(Manifest manifest, long lastFrame) throws IOException {
        writer.begin();
        long epoch = keys.epoch(spec.tenant());
        byte[] wrapped = writer.wrapped(spec.tenant(), epoch);
        Optional<byte[]> prefix = spec.tokens().map(tokens -> PrefixDigest.of(writer.dataKey().prefixSecret(), tokens, tokens.length));
        claims = new SealClaims(writer.capsuleId(), spec.issuer(), spec.scope(), spec.model(), spec.runtime(), prefix, spec.tokens().map(tokens -> tokens.length).orElse(0),
                PositionRange.of(manifest.layout()), spec.created(), spec.notBefore(), spec.expires(), spec.generation(), spec.tenant(), epoch,
                spec.aead(), wrapped, writer.dataKey().commitment(), chunks);
        Map<String, Object> fields = manifest.toMap();
        fields.put("seal", claims.toMap());
        return writer.manifest(Envelope.MANIFEST_TYPE, fields, spec.aead(), lastFrame);
    }

    @Override
    public FrameSealer newSealer() {
        return writer.newSealer();
    }

    @Override
    public void clear(byte[] header, ByteBuffer payload) {
        writer.clear(header, payload);
    }

    @Override
    public void encrypted(byte[] leaf) {
        writer.encrypted(leaf);
    }

    @Override
    public byte[] trailer(Trailer trailer) throws IOException {
        return writer.trailer(trailer);
    }

    @Override
    public void close() {
        writer.close();
    }
}
