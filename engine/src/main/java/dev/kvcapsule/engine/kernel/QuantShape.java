package dev.kvcapsule.engine.kernel;

/**
 * What a kivi slice looks like (Liu et al., "KIVI", arXiv 2402.02750): a row-major matrix of tokens by channels, cut in groups that
 * share a zero point and a step.
 *
 * @param grouping  along which axis a group runs
 * @param bits      bits of a code: 2, 3, 4 or 8
 * @param group     members of a group: 32, 64 or 128; the last group of an axis may be shorter
 * @param rows      format of the uncompressed rows in memory
 * @param parameter format of zero points and steps, F16 or BF16; normally {@code elementType.parameterType()}, which differs from
 *                  {@code rows} when rows are staged as binary32
 * @param tokens    rows of the slice, {@code >= 0}
 * @param channels  width of the slice, {@code >= 1}
 */
public record QuantShape(Grouping grouping, int bits, int group, ElementType rows, ElementType parameter, int tokens, int channels) {
    /** The axis a group runs along. */
    public enum Grouping {
        /** Keys: one channel over consecutive tokens. */
        TOKENS,
        /** Values: one token over consecutive channels. */
        CHANNELS
    }

    /**
     * Checks the ranges given above.
     *
     * @throws IllegalArgumentException if one is left
     */
    public QuantShape {
        CodeUnits.codesPerByte(bits);
        if (group != 32 && group != 64 && group != 128) {
            throw new IllegalArgumentException("group " + group + " is not 32, 64 or 128");
        }
        if (parameter == ElementType.F32) {
            throw new IllegalArgumentException("parameters are 16 bits wide");
        }
        if (tokens < 0 || channels < 1 || channels > 1 << 20) {
            throw new IllegalArgumentException(tokens + " tokens of " + channels + " channels");
        }
    }

    /** {@return the largest code, 2^bits - 1} */
    public int levels() {
        return (1 << bits) - 1;
    }

    /** {@return groups a row (values) or groups of tokens (keys)} */
    public int groups() {
        int along = grouping == Grouping.TOKENS ? tokens : channels;
        return along / group + (along % group == 0 ? 0 : 1);
    }

    /** {@return 16-bit entries in each of the two parameter streams} */
    public long parameters() {
        return (long) groups() * (grouping == Grouping.TOKENS ? channels : tokens);
    }

    /** {@return bytes of the packed codes} */
    public long codeBytes() {
        return (long) tokens * CodeUnits.rowBytes(bits, channels);
    }

    /** {@return bytes of the uncompressed rows} */
    public long rowBytes() {
        return (long) tokens * channels * rows.bytes();
    }
}
