package dev.kvcapsule.engine.codec;

import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.kernel.Kernels;

/**
 * A compression method with its parameters set: how it cuts a cache into tiles, and coders for those tiles. What a coder makes of a tile
 * depends on the tile and the parameters alone, never on the machine, the thread or the kernels in use.
 */
public interface Codec {
    /** Name and every parameter, in canonical form. */
    CodecSpec spec();

    /** Whether decoding gives back every bit. */
    boolean isLossless();

    /** How it cuts one sub-cache; a function of the parameters and the layout alone, since decoders repeat it. */
    TileGeometry geometry(SubCache sub);

    /**
     * The lossless codec for tiles that are kept exactly, and for those that this codec cannot carry: {@link Codecs#LOSSLESS}, or "raw" where speed
     * comes first.
     */
    default String exactCodec() {
        return Codecs.LOSSLESS;
    }

    /** A coder with scratch memory of its own, for one thread, that runs on those kernels. */
    TileCoder newCoder(Kernels kernels);
}
