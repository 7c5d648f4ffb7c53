package dev.kvcapsule.codecs.cachegen;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.FitOptions;
import dev.kvcapsule.engine.codec.TileCoder;
import dev.kvcapsule.engine.codec.TileGeometry;
import dev.kvcapsule.engine.kernel.Kernels;

/**
 * CacheGen (Liu et al., "CacheGen: KV Cache Compression and Streaming for Fast Large Language Model Serving", arXiv 2310.07240, SIGCOMM 2024): tokens
 * come in groups of ten; the first of a group, its anchor, is quantized to 8 bits, the others as their difference to it, in bins that are wider in later
 * layers (0.5, 1 and 1.5 in the three thirds of the model); each channel of each layer is coded with statistics of its own.
 *
 * <p>What differs: differences are taken to the anchor as it will be decoded, so that its error is not added to theirs; a bin is in units of the
 * deviation of its channel's differences, and anchors have a scale for each channel too, where the paper leaves the vectors' normalization open;
 * statistics are those of the tile, sent with it, with alike channels sharing a table, instead of a model's profile kept by both sides; the entropy
 * coder is rANS instead of arithmetic coding. The choice of a level for each chunk by the bandwidth at hand is the caller's.
 *
 * @param level 1..6, bins double with each
 * @param group tokens of a group
 * @param beforeRope whether keys are coded as they were before RoPE
 * @param layers layers of the model, by which encoders choose bins; 0 before it is fitted
 */
record CacheGenCodec(CodecSpec spec, int level, int group, boolean beforeRope, int layers) implements Codec {
    private static final double[] PUBLISHED_BINS = {0.5, 1, 1.5};
    private static final int PUBLISHED_LEVEL = 3;

    @Override
    public boolean isLossless() {
        return false;
    }

    @Override
    public TileGeometry geometry(SubCache sub) {
        int block = TileGeometry.blockTokens(sub);
        return TileGeometry.plain(block - block % group);
    }

    @Override
    public boolean readsCacheFirst() {
        return true;
    }

    /** It reads how many layers there are, no more. */
    @Override
    public boolean codesPiecesAlike() {
        return true;
    }

    @Override
    public Codec fit(KvCache cache, FitOptions options) {
        int count = 0;
        for (SubCache sub : cache.layout().subCaches()) {
            for (LayerLayout layer : sub.layers()) {
                count = Math.max(count, layer.layer() + 1);
            }
        }
        return new CacheGenCodec(spec, level, group, beforeRope, count);
    }

    /** The width of a bin in deviations, for a layer. */
    float bin(int layer) {
        int third = (int) Math.min(3L * layer / Math.max(1, layers), PUBLISHED_BINS.length - 1);
        return (float) Math.scalb(PUBLISHED_BINS[third], level - PUBLISHED_LEVEL);
    }

    @Override
    public TileCoder newCoder(Kernels kernels) {
        return new CacheGenCoder(this, kernels);
    }
}
