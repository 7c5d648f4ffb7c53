package dev.kvcapsule.codecs.svd;

import dev.kvcapsule.codecs.principal.PartGroup;
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
 * Low rank with quantized factors: the matrix tokens x channels of K before RoPE, or of V, of one layer or of several side by side, is a product of a
 * factor for the tokens and one for the channels, found by singular value decomposition of the prompt itself. This is what xKV (Chang et al., arXiv
 * 2503.18893: several layers share their singular vectors) and SVDq (Hong et al., arXiv 2502.15304: quantized latent channels of K) do at run time, and
 * Palu (Chang et al., arXiv 2407.21118) to a model's weights.
 *
 * <p>What differs from each: the channels' mean is subtracted first; the factor of the channels has 8 bits whatever the parameter says, since an error there is
 * repeated in every token; a token's coefficients share one scale, so that small components take few codes, which entropy coding turns into few bits;
 * the rank is the same for all layers, not chosen by Fisher information.
 *
 * @param rank components kept, fewer if there are fewer channels or tokens
 * @param bits bits of a coefficient
 * @param layers layers a group
 * @param sink first tokens, which are kept exactly
 * @param basis the factors of the channels as capsules carry them; empty before {@link #fit}
 * @param factors the same to compute with; null until it is fitted or bound
 */
record SvdCodec(CodecSpec spec, int rank, int bits, int layers, int sink, MemorySegment basis, ChannelFactors factors) implements Codec {
    @Override
    public boolean isLossless() {
        return false;
    }

    @Override
    public TileGeometry geometry(SubCache sub) {
        long widest = 1;
        for (PartGroup group : PartGroup.of(0, sub, layers)) {
            widest = Math.max(widest, group.width());
        }
        int block = TileGeometry.joinedBlockTokens(widest, TileGeometry.blockTokens(sub));
        return new TileGeometry(sink, 0, block, 1, TileGeometry.DEFAULT_TILE_BYTES, layers, true);
    }

    /** Components kept of a group. */
    int components(PartGroup group, int cells) {
        return Math.min(Math.min(rank, group.width()), cells);
    }

    @Override
    public boolean readsCacheFirst() {
        return true;
    }

    @Override
    public Codec fit(KvCache cache, FitOptions options) throws IOException {
        MemorySegment carried = SvdFitting.factors(this, cache, options);
        return with(cache.layout(), carried);
    }

    @Override
    public Codec bind(CacheLayout layout, MemorySegment carried, Bases bases) throws MalformedDataException {
        return with(layout, carried);
    }

    private SvdCodec with(CacheLayout layout, MemorySegment carried) throws MalformedDataException {
        return new SvdCodec(spec, rank, bits, layers, sink, carried, ChannelFactors.read(layout, this, carried, Arena.ofAuto()));
    }

    @Override
    public TileCoder newCoder(Kernels kernels) {
        if (factors == null) {
            throw new IllegalStateException("svd is neither fitted to a cache nor bound to its factors");
        }
        return new SvdCoder(this, kernels);
    }
}
