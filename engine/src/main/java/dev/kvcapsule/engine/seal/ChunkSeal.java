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
import java.util.Map;

/** Seals one chunk, once, under a key of its own, as {@link CapsuleSeal} seals a capsule. */
public final class ChunkSeal implements Sealing {
    private final ChunkSpec spec;
    private final KeyProvider keys;
    private final SealWriter writer;
    private Manifest manifest;

    /**
     * @param spec what to bind the chunk to
     * @param keys who signs, and wraps the data key
     * @throws KeyException if a key is not there or may not be used
     */
    public ChunkSeal(ChunkSpec spec, KeyProvider keys) throws IOException {
        this.spec = spec;
        this.keys = keys;
        this.writer = new SealWriter(spec.signer(), spec.created(), keys, CryptoProvider.best());
    }

    @Override
    public byte[] manifest(Manifest of, long lastFrame) throws IOException {
        writer.begin();
        manifest = of;
        long epoch = keys.epoch(spec.tenant());
        ChunkClaims claims = new ChunkClaims(writer.capsuleId(), spec.issuer(), spec.org(), spec.address(), spec.model(), PositionRange.of(of.layout()), spec.created(), spec.expires(),
                spec.tenant(), epoch, spec.aead(), writer.wrapped(spec.tenant(), epoch), writer.dataKey().commitment());
        Map<String, Object> fields = of.toMap();
        fields.put("seal", claims.toMap());
        return writer.manifest(Envelope.CHUNK_TYPE, fields, spec.aead(), lastFrame);
    }

    /**
     * How a capsule names the chunk, once it is written.
     *
     * @param bytes of it
     */
    public ChunkRef ref(long bytes) {
        HexFormat hex = HexFormat.of();
        return new ChunkRef(hex.formatHex(writer.capsuleId()), hex.formatHex(spec.address()), hex.formatHex(writer.root()), Math.toIntExact(manifest.layout().tokens()), bytes, spec.expires());
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
