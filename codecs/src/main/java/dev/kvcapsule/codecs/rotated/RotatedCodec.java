package dev.kvcapsule.codecs.rotated;

import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileGeometry;
import dev.kvcapsule.engine.kernel.Kernels;

/**
 * Rotate, then quantize every coordinate alike (Zandieh et al., "TurboQuant", arXiv 2504.19874; the randomized Hadamard transform as in QuIP#, arXiv 2402.04396): after
 * a random rotation a head's coordinates are close to normally distributed whatever they were, so that one Lloyd-Max codebook fits all of them
 * and one gain per head and token is all the side information. Beyond the paper: the gain is the least-squares one, each channel's mean over a
 * tile is removed first, and keys are quantized before RoPE by default; without the latter two, models with biased keys break.
 *
 * @param bits bits of a code
 * @param residual last tokens that stay exact
 * @param sink first tokens that stay exact
 * @param beforeRope whether keys are quantized before RoPE
 * @param mean whether channel means are removed
 * @param seed of the random signs
 * @param entropy whether streams are entropy-coded where that wins
 */
record RotatedCodec(CodecSpec spec, int bits, int residual, int sink, boolean beforeRope, boolean mean, long seed, boolean entropy) implements Codec {
    @Override
    public boolean isLossless() {
        return false;
    }

    @Override
    public String exactCodec() {
        return entropy ? Codecs.LOSSLESS : "raw";
    }

    @Override
    public TileGeometry geometry(SubCache sub) {
        return new TileGeometry(sink, residual, TileGeometry.blockTokens(sub), 1, TileGeometry.DEFAULT_TILE_BYTES);
    }

    @Override
    public TileCoder newCoder(Kernels kernels) {
        return new RotatedCoder(this, kernels);
    }
}
