package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.codecs.principal.CenteredBasis;
import dev.kvcapsule.codecs.principal.PartGroup;
import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileGeometry;
import dev.kvcapsule.engine.kernel.Kernels;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * KVTC (Staniszewski and Łańcucki, "KV Cache Transform Coding for Compact Storage in LLM Inference", arXiv 2511.01815, ICLR 2026): K before RoPE and V of a
 * token are each concatenated over all layers and heads, less their mean projected on principal components that come from calibration, and quantized in
 * groups of components. Dynamic programming chooses for each group its size (1, 16, 64, 256, 1024) and type (nothing, 2-bit or 4-bit integers, FP8) by
 * squared error within a budget of bytes; each group of each token has a 16-bit shift and scale; DEFLATE packs the result. The first 4 tokens are kept in
 * FP8, the last 128 uncompressed.
 *
 * <p>What differs: the allocation is made for the cache at hand, from a sample of its tokens, and sent along (some hundred bytes), instead of once per model
 * and ratio; groups of several components begin at multiples of 16; the basis has 8 bits instead of 16, with a scale for each 64 channels (the same KL at half the size);
 * each sub-cache has its own transform, where a model has caches of different lengths.
 *
 * @param settings the parameters
 * @param basis the allocations as capsules carry them; empty before {@link #fit}
 * @param members the transforms; null until it is fitted or bound
 */
record KvtcCodec(CodecSpec spec, KvtcSettings settings, MemorySegment basis, List<Member> members) implements Codec {
    /** Bytes of a tile before DEFLATE, at most. */
    private static final long MAX_TILE_BYTES = 1 << 30;

    /**
     * What codes K, or V, of a sub-cache.
     *
     * @param group the tensors
     * @param basis mean and components
     * @param allocation how its coefficients are kept
     */
    record Member(PartGroup group, CenteredBasis basis, BitAllocation allocation) {}

    /** Neither fitted nor bound. */
    static KvtcCodec of(CodecSpec spec) {
        return new KvtcCodec(spec, KvtcSettings.of(spec), MemorySegment.NULL, null);
    }

    @Override
    public boolean isLossless() {
        return false;
    }

    @Override
    public TileGeometry geometry(SubCache sub) {
        int layers = Math.max(1, sub.layers().size());
        long widest = 1;
        for (PartGroup group : PartGroup.of(0, sub, layers)) {
            widest = Math.max(widest, group.width());
        }
        int block = TileGeometry.joinedBlockTokens(widest, TileGeometry.MAX_BLOCK_TOKENS);
        return new TileGeometry(settings.sink(), settings.window(), block, 1, TileGeometry.DEFAULT_TILE_BYTES, layers, false);
    }

    /** The members that a tile holds, K before V. */
    List<Member> of(Tile tile) {
        return members.stream().filter(member -> member.group().isIn(tile)).toList();
    }

    @Override
    public boolean readsCacheFirst() {
        return true;
    }

    @Override
    public Codec fit(KvCache cache, FitOptions options) throws IOException {
        if (settings.basis().equals(KvtcSettings.NO_BASIS)) {
            throw new CapsuleRefusedException("codec kvtc needs a shared basis: make one by calibration and name it with basis=DIGEST");
        }
        KvtcBasis shared = shared(cache.layout(), options.bases());
        List<Member> fitted = new ArrayList<>();
        ByteArrayOutputStream carried = new ByteArrayOutputStream();
        List<PartGroup> groups = KvtcBasis.groups(cache.layout());
        for (int g = 0; g < groups.size(); g++) {
            CenteredBasis transform = shared.parts().get(g).basis();
            BitAllocation allocation = KvtcFitting.allocate(this, groups.get(g), transform, cache, options.kernels());
            allocation.write(carried);
            fitted.add(new Member(groups.get(g), transform, allocation));
        }
        if (!areTilesBounded(cache.layout(), fitted)) {
            throw new CapsuleRefusedException("codec kvtc: tiles of this cache would be too large");
        }
        // Whoever holds the codec holds its basis: there is no end that the codec could be told of.
        MemorySegment stored = Arena.ofAuto().allocate(Math.max(1, carried.size()), 64).asSlice(0, carried.size()).copyFrom(MemorySegment.ofArray(carried.toByteArray()));
        return new KvtcCodec(spec, settings, stored, fitted);
    }

    @Override
    public Codec bind(CacheLayout layout, MemorySegment carried, Bases bases) throws IOException {
        if (settings.basis().equals(KvtcSettings.NO_BASIS)) {
            throw new MalformedDataException("codec kvtc of a capsule names no basis");
        }
        KvtcBasis shared = shared(layout, bases);
        List<Member> bound = new ArrayList<>();
        long at = 0;
        for (PartGroup group : KvtcBasis.groups(layout)) {
            KvtcBasis.Part part = shared.parts().get(bound.size());
            BitAllocation allocation = BitAllocation.read(carried, at, part.deviations().length);
            at += allocation.storedBytes();
            bound.add(new Member(group, part.basis(), allocation));
        }
        if (at != carried.byteSize()) {
            throw new MalformedDataException("basis: " + (carried.byteSize() - at) + " bytes follow the last allocation");
        }
        if (!areTilesBounded(layout, bound)) {
            throw new MalformedDataException("allocation of tiles that are too large");
        }
        return new KvtcCodec(spec, settings, carried, bound);
    }

    /** Whether the bytes of every tile before DEFLATE can be counted. */
    private boolean areTilesBounded(CacheLayout layout, List<Member> all) {
        for (int s = 0; s < layout.subCaches().size(); s++) {
            int sub = s;
            long bytes = all.stream().filter(member -> member.group().subCache() == sub).mapToLong(member -> member.allocation().tokenBytes()).sum();
            if (bytes * geometry(layout.subCaches().get(s)).blockTokens() > MAX_TILE_BYTES) {
                return false;
            }
        }
        return true;
    }

    private KvtcBasis shared(CacheLayout layout, Bases bases) throws IOException {
        MemorySegment file = bases.find(settings.basis());
        if (!KvtcBasis.recognises(file)) {
            throw new CapsuleRefusedException("basis " + settings.basis() + " is not one for codec kvtc");
        }
        KvtcBasis shared = KvtcBasis.parse(file);
        if (!shared.digest().equals(settings.basis())) {
            throw new CapsuleRefusedException("the capsule needs basis " + settings.basis() + ", found " + shared.digest());
        }
        shared.check(layout);
        return shared;
    }

    @Override
    public TileCoder newCoder(Kernels kernels) {
        if (members == null) {
            throw new IllegalStateException("kvtc is neither fitted to a cache nor bound to a basis");
        }
        return new KvtcCoder(this, kernels);
    }
}
