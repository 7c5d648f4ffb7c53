package dev.kvcapsule.engine.codec;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.kernel.Kernels;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

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

    /**
     * This codec with everything settled that depends on the cache: a basis of its own, a step that reaches a ratio.
     *
     * @param cache what is going to be encoded
     * @throws dev.kvcapsule.engine.CapsuleRefusedException if it needs something that cannot be had here
     */
    default Codec fit(KvCache cache, FitOptions options) throws IOException {
        return this;
    }

    /**
     * The same for any cache of a layout, where the codec does not {@linkplain #readsCacheFirst read} more of it.
     *
     * @throws dev.kvcapsule.engine.CapsuleRefusedException if it needs something that cannot be had here
     */
    default Codec fit(CacheLayout layout, FitOptions options) throws IOException {
        return this;
    }

    /** Whether {@link #fit(KvCache, FitOptions)} reads the cache, which then has to be in the host's memory. */
    default boolean readsCacheFirst() {
        return false;
    }

    /**
     * Whether what becomes of some tokens depends on no others, once the parameters are set: a cache may then be coded in pieces that are put together later. Not so where a
     * basis or a step is settled for the cache as a whole.
     */
    default boolean codesPiecesAlike() {
        return !readsCacheFirst();
    }

    /** What this codec shares between the tiles of a capsule and sends ahead of them; empty for most. Set once it is fitted or bound. */
    default MemorySegment basis() {
        return MemorySegment.NULL;
    }

    /**
     * This codec with what it needs to decode.
     *
     * @param layout what is going to be decoded
     * @param basis what {@link #basis} gave to the encoder, or anything else; stays open as long as coders are in use
     * @param bases where shared bases are found
     * @throws MalformedDataException if {@code basis} is nothing that this codec sends
     * @throws dev.kvcapsule.engine.CapsuleRefusedException if a shared basis cannot be had
     */
    default Codec bind(CacheLayout layout, MemorySegment basis, Bases bases) throws IOException {
        if (basis.byteSize() > 0) {
            throw new MalformedDataException("codec " + spec().name() + " has no basis, the capsule carries one");
        }
        return this;
    }

    /** A coder with scratch memory of its own, for one thread, that runs on those kernels. */
    TileCoder newCoder(Kernels kernels);
}
