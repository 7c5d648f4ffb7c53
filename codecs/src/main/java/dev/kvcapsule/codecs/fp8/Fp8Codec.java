package dev.kvcapsule.codecs.fp8;

import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileGeometry;
import dev.kvcapsule.engine.kernel.Kernels;

/**
 * MXFP8 (OCP Microscaling Formats 1.0): blocks of 32 channels of a row share a power-of-two scale, elements are E4M3 (arXiv 2209.05433). The
 * shared exponent is raised by one where the largest element would saturate, so that no element is clipped.
 *
 * @param entropy whether scales and elements are entropy-coded where that wins
 */
record Fp8Codec(CodecSpec spec, boolean entropy) implements Codec {
    @Override
    public boolean isLossless() {
        return false;
    }

    @Override
    public TileGeometry geometry(SubCache sub) {
        return TileGeometry.plain(TileGeometry.blockTokens(sub));
    }

    @Override
    public TileCoder newCoder(Kernels kernels) {
        return new Fp8Coder(kernels, entropy);
    }
}
