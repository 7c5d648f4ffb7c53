package dev.kvcapsule.codecs.kivi;

import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileGeometry;
import dev.kvcapsule.engine.kernel.Kernels;

/**
 * KIVI (Liu et al., "KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache", arXiv 2402.02750): keys are quantized per channel over
 * groups of tokens, since their outliers sit in fixed channels; values per token over groups of channels; each group with its own zero point and
 * step; the last tokens stay exact. Beyond the paper: attention sinks can stay exact too, keys can be quantized before RoPE, and everything is
 * entropy-coded where that wins.
 *
 * @param bits bits of a code
 * @param group members of a group
 * @param residual last tokens that stay exact
 * @param sink first tokens that stay exact
 * @param beforeRope whether keys are quantized before RoPE
 * @param entropy whether streams are entropy-coded where that wins
 */
record KiviCodec(CodecSpec spec, int bits, int group, int residual, int sink, boolean beforeRope, boolean entropy) implements Codec {
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
        return new TileGeometry(sink, residual, TileGeometry.blockTokens(sub), group, TileGeometry.DEFAULT_TILE_BYTES);
    }

    @Override
    public TileCoder newCoder(Kernels kernels) {
        return new KiviCoder(this, kernels);
    }
}
