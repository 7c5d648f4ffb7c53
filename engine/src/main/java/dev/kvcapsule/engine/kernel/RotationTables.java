package dev.kvcapsule.engine.kernel;

/**
 * The integers behind a rotated slice. The transform runs on 16-bit integers, so that it is exact, the same on every machine and in
 * every order: inputs are scaled by their head's root mean square, and the codebook to the widest range that cannot overflow.
 */
final class RotationTables {
    /** Partial sums of the energy of a head: element i of the head goes to sum i % 16. */
    static final int PARTIALS = 16;

    final int block;
    /** The integer that stands for a head's root mean square before the transform. */
    final int unit;
    /** Integer centroids, ascending, {@code 2^bits} of them. */
    final short[] centroids;
    /** A code is the number of these that its coefficient exceeds; {@code 2^bits - 1} of them. */
    final short[] thresholds;
    /** Turns root mean square times least-squares slope into the stored gain. */
    final double gainScale;
    /** Turns a stored gain into the factor of the inverse transform's integers. */
    final float decodeScale;

    RotationTables(int bits, int headDim) {
        block = Math.min(Integer.lowestOneBit(headDim), RotationShape.MAX_BLOCK);
        double[] exact = LloydMax.centroids(bits);
        double max = exact[exact.length - 1];
        // |coefficient| <= sqrt(block) |x| <= sqrt(block headDim) unit, plus half a unit of rounding for each input.
        unit = (int) ((32767 - block / 2.0) / Math.sqrt((double) block * headDim));
        int top = 32767 / block;
        centroids = new short[exact.length];
        for (int k = 0; k < exact.length; k++) {
            centroids[k] = (short) Math.rint(exact[k] * top / max);
        }
        double spread = unit * Math.sqrt(block);
        thresholds = new short[exact.length - 1];
        for (int k = 0; k < thresholds.length; k++) {
            double threshold = Math.floor((exact[k] + exact[k + 1]) / 2 * spread);
            thresholds[k] = (short) Math.clamp(threshold, Short.MIN_VALUE, Short.MAX_VALUE); // heads of a few channels only
        }
        gainScale = top / (spread * max);
        decodeScale = (float) (max / (top * Math.sqrt(block)));
    }

    /** The signs of channels, 64 a word: bit {@code c % 64} of word {@code c / 64} of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) is set for -1. */
    static long[] signWords(long seed, int channels) {
        long[] words = new long[Math.ceilDiv(channels, 64)];
        for (int i = 0; i < words.length; i++) {
            long word = seed + (i + 1) * 0x9E3779B97F4A7C15L;
            word = (word ^ (word >>> 30)) * 0xBF58476D1CE4E5B9L;
            word = (word ^ (word >>> 27)) * 0x94D049BB133111EBL;
            words[i] = word ^ word >>> 31;
        }
        return words;
    }

    /** The sign of each channel, 1 or -1, padded with 1 to {@code length}. */
    static short[] signs(long seed, int channels, int length) {
        long[] words = signWords(seed, channels);
        short[] signs = new short[length];
        for (int c = 0; c < length; c++) {
            signs[c] = (short) (c < channels && (words[c / 64] >>> c & 1) != 0 ? -1 : 1);
        }
        return signs;
    }

    /** Whether the least-squares sums of a head fit 32 bits: by Cauchy-Schwarz, from the bound on the coefficients. */
    boolean sumsFit(int headDim) {
        double top = 32767.0 / block;
        return headDim * top * top < Integer.MAX_VALUE && 32767 * Math.sqrt(headDim) * top < Integer.MAX_VALUE;
    }

    /** Energies of this size or more are refused: the decoded values could round to an infinity. */
    static float energyLimit(ElementType parameter) {
        return parameter == ElementType.F16 ? 0x1p30f : Float.POSITIVE_INFINITY;
    }
}
