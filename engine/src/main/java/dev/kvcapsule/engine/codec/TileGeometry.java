package dev.kvcapsule.engine.codec;

import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;

/**
 * How a codec cuts the tokens of a sub-cache: sinks, body and window are cut into blocks of their own.
 *
 * @param sinkTokens tokens at the start (attention sinks), at least 0
 * @param windowTokens tokens at the end (KIVI's residual window), at least 0
 * @param blockTokens tokens in a body tile, at least 1; the last tile of the body may have fewer
 * @param bodyMultiple the body's length is a multiple of this (a quantization group); the window takes up the remainder. At least 1
 * @param tileBytes raw bytes a tile should have: consecutive tensors share a tile while they fit; a single tensor may exceed it
 * @param tileLayers layers a tile has whatever their bytes, the last tile of a block possibly fewer; 0 where {@code tileBytes} decides
 * @param exactEdges whether sinks and window are coded losslessly; else the codec codes them too
 */
public record TileGeometry(int sinkTokens, int windowTokens, int blockTokens, int bodyMultiple, long tileBytes, int tileLayers, boolean exactEdges) {
    /** What a tile should weigh unless a codec has a reason: fits in a core's second-level cache together with its code. */
    public static final long DEFAULT_TILE_BYTES = 1 << 20;

    /** Tokens a block has unless rows are wide. */
    public static final int MAX_BLOCK_TOKENS = 1024;

    private static final int MIN_BLOCK_TOKENS = 128;
    private static final int MIN_JOINED_TOKENS = 64;
    private static final long JOINED_BYTES = 24 << 20;

    /**
     * Tokens a block should have: 1,024, or fewer (down to 128, always a power of two) where rows are so wide that one tensor's block would
     * exceed {@link #DEFAULT_TILE_BYTES}.
     */
    public static int blockTokens(SubCache sub) {
        long widest = 1;
        for (LayerLayout layer : sub.layers()) {
            widest = Math.max(widest, Math.max(layer.rowBytes(Part.KEY), layer.rowBytes(Part.VALUE)));
        }
        int tokens = MAX_BLOCK_TOKENS;
        while (tokens > MIN_BLOCK_TOKENS && tokens * widest > DEFAULT_TILE_BYTES) {
            tokens /= 2;
        }
        return tokens;
    }

    /**
     * Tokens a block of joined rows should have: at most so many, halved down to {@value #MIN_JOINED_TOKENS} while the rows of a block, as binary32, take
     * more than 24 MiB. With copies of them in three places, what a thread needs stays under 80 MB; and what a product takes to unpack a basis is shared by many tokens.
     *
     * @param width channels of a joined row, at least 1
     * @param most a power of two
     */
    public static int joinedBlockTokens(long width, int most) {
        int tokens = most;
        while (tokens > MIN_JOINED_TOKENS && Float.BYTES * width * tokens > JOINED_BYTES) {
            tokens /= 2;
        }
        return tokens;
    }

    /** @throws IllegalArgumentException if a component is out of its range */
    public TileGeometry {
        if (sinkTokens < 0 || windowTokens < 0 || blockTokens < 1 || bodyMultiple < 1 || tileBytes < 1 || tileLayers < 0) {
            throw new IllegalArgumentException("impossible tile geometry");
        }
    }

    /** Exact sinks and window, tiles by bytes. */
    public TileGeometry(int sinkTokens, int windowTokens, int blockTokens, int bodyMultiple, long tileBytes) {
        this(sinkTokens, windowTokens, blockTokens, bodyMultiple, tileBytes, 0, true);
    }

    /** Blocks of that many tokens from start to end, nothing exact. */
    public static TileGeometry plain(int blockTokens) {
        return new TileGeometry(0, 0, blockTokens, 1, DEFAULT_TILE_BYTES);
    }
}
