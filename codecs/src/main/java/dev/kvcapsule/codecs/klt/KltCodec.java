package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileGeometry;
import dev.kvcapsule.engine.kernel.Kernels;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A joint transform of the keys and values of several layers; see {@link KltCodecFactory}.
 *
 * @param spec name and parameters
 * @param settings the parameters
 * @param basis what capsules carry of the basis; empty before {@link #fit} and with a shared one
 * @param transforms null until it is fitted or bound
 * @param scales how fine each token is to be coded; null unless it is fitted
 */
record KltCodec(CodecSpec spec, KltSettings settings, MemorySegment basis, Transforms transforms, TokenScales scales) implements Codec {
    /** Widest token vector: a block of 64 of them takes 256 MB. */
    private static final int MAX_WIDTH = 1 << 20;

    /** Neither fitted nor bound. */
    static KltCodec of(CodecSpec spec) {
        return new KltCodec(spec, KltSettings.of(spec), MemorySegment.NULL, null, null);
    }

    /** The same with a shared basis's transforms. */
    KltCodec with(Transforms shared, TokenScales tokens) {
        return with(shared, MemorySegment.NULL, tokens);
    }

    /** The same with a shared basis's transforms, and what the capsule carries besides. */
    KltCodec with(Transforms shared, MemorySegment carried, TokenScales tokens) {
        return new KltCodec(spec, settings, carried, shared, tokens);
    }

    @Override
    public boolean isLossless() {
        return false;
    }

    @Override
    public TileGeometry geometry(SubCache sub) {
        int layers = settings.layersPerGroup(sub);
        long widest = 1;
        for (LayerGroup group : LayerGroup.of(0, sub, layers)) {
            widest = Math.max(widest, group.width());
        }
        if (widest > MAX_WIDTH) {
            throw new IllegalArgumentException("token vectors of " + widest + " channels, " + MAX_WIDTH + " at most: take a smaller group");
        }
        int block = TileGeometry.joinedBlockTokens(widest, TileGeometry.MAX_BLOCK_TOKENS);
        return new TileGeometry(settings.sink(), settings.window(), block, 1, TileGeometry.DEFAULT_TILE_BYTES, layers, false);
    }

    @Override
    public boolean readsCacheFirst() {
        return !codesPiecesAlike();
    }

    @Override
    public boolean codesPiecesAlike() {
        // Where it is left open, pieces and caches that nobody reads have no components of their own.
        return settings.hasSharedBasis() && settings.ratio().isEmpty() && settings.maxError().isEmpty() && (settings.leavesOwnOpen() || settings.mostOwn() == 0);
    }

    @Override
    public Codec fit(KvCache cache, FitOptions options) throws IOException {
        return KltFitting.fit(this, cache, options);
    }

    @Override
    public Codec fit(CacheLayout layout, FitOptions options) throws IOException {
        return KltFitting.fit(this, layout, options);
    }

    @Override
    public Codec bind(CacheLayout layout, MemorySegment carried, Bases bases) throws IOException {
        if (!settings.isSettled()) {
            throw new MalformedDataException("codec " + spec + " of a capsule leaves its group, its step or its own components open");
        }
        if (settings.hasSharedBasis()) {
            KltCodec shared = withShared(KltBasis.parse(bases.find(settings.basis())), layout);
            if (settings.mostOwn() == 0) {
                if (carried.byteSize() > 0) {
                    throw new MalformedDataException("a capsule with the shared basis " + settings.basis() + " and own=0 carries components of its own");
                }
                return shared;
            }
            return with(OwnComponents.read(layout, shared.transforms(), settings.mostOwn(), carried, Arena.ofAuto()), carried, null);
        }
        return new KltCodec(spec, settings, carried, PromptBasis.read(layout, this, carried, Arena.ofAuto()), null);
    }

    /** This codec with the shared basis, which must be the one that its parameters name. */
    KltCodec withShared(KltBasis shared, CacheLayout layout) throws IOException {
        if (!shared.digest().equals(settings.basis())) {
            throw new CapsuleRefusedException("the capsule needs basis " + settings.basis() + ", found " + shared.digest());
        }
        return with(shared.transforms(layout, settings, Arena.ofAuto()), null);
    }

    @Override
    public TileCoder newCoder(Kernels kernels) {
        if (transforms == null) {
            throw new IllegalStateException("klt is neither fitted to a cache nor bound to a basis");
        }
        return new KltCoder(this, kernels);
    }
}
