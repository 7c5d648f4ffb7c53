package dev.kvcapsule.engine.kernel;

/**
 * What a rotated slice looks like (after TurboQuant, arXiv 2504.19874): a row-major matrix of tokens by channels whose rows consist
 * of heads; each head is rotated by random signs and a Walsh-Hadamard transform, then quantized with one gain.
 *
 * @param bits      bits of a code: 2, 3 or 4
 * @param headDim   channels of a head, 1 .. 4096
 * @param seed      seed of the sign sequence
 * @param centered  whether per-channel means are subtracted first
 * @param rows      format of the uncompressed rows in memory
 * @param parameter format of gains and means, F16 or BF16
 * @param tokens    rows of the slice, {@code >= 0}
 * @param channels  width of the slice, a multiple of {@code headDim}
 */
public record RotationShape(int bits, int headDim, long seed, boolean centered, ElementType rows, ElementType parameter, int tokens,
        int channels) {
    /** Most channels of a head. */
    public static final int MAX_HEAD_DIM = 4096;

    /** Widest block that is transformed at once: wider ones would leave too few bits in 16-bit butterflies. */
    static final int MAX_BLOCK = 256;

    /**
     * Checks the ranges given above.
     *
     * @throws IllegalArgumentException if one is left
     */
    public RotationShape {
        if (bits < 2 || bits > 4) {
            throw new IllegalArgumentException("rotated codes have 2 to 4 bits, not " + bits);
        }
        if (headDim < 1 || headDim > MAX_HEAD_DIM) {
            throw new IllegalArgumentException("head of " + headDim + " channels");
        }
        if (parameter == ElementType.F32) {
            throw new IllegalArgumentException("gains are 16 bits wide");
        }
        if (tokens < 0 || channels < headDim || channels % headDim != 0 || channels > 1 << 20) {
            throw new IllegalArgumentException(tokens + " tokens of " + channels + " channels in heads of " + headDim);
        }
    }

    /** {@return channels transformed together: the largest power of two, up to 256, that divides the head} */
    public int block() {
        return Math.min(Integer.lowestOneBit(headDim), MAX_BLOCK);
    }

    /** {@return heads of a row} */
    public int heads() {
        return channels / headDim;
    }

    /** {@return 16-bit entries of the gain stream, token by token} */
    public long gains() {
        return (long) tokens * heads();
    }

    /** {@return bytes of the packed codes} */
    public long codeBytes() {
        return (long) tokens * CodeUnits.rowBytes(bits, channels);
    }

    /** {@return bytes of the uncompressed rows} */
    public long rowBytes() {
        return (long) tokens * channels * rows.bytes();
    }

    /** {@return the numbers that coding such a slice takes} */
    public RotationConstants constants() {
        RotationTables tables = new RotationTables(bits, headDim);
        return new RotationConstants(tables.unit, tables.centroids, tables.thresholds, tables.gainScale, tables.decodeScale,
                RotationTables.energyLimit(parameter), RotationTables.signWords(seed, channels));
    }
}
