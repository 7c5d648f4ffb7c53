package dev.kvcapsule.codecs.klt;

/**
 * What a component of the capsule's own is worth: the weighted error that it takes away, against what its bits would take away if they went into a smaller step. Both are in
 * squares of the step. Coefficients and the component's entries are taken for Laplacians, rounded to multiples of a unit: entropy and error have closed forms.
 */
final class OwnGain {
    /** Error that a bit is worth: rounding errs by q^2 / 12 and takes -log2 q bits and something, so that the error falls by ln 2 / 6 of q^2 for a bit more. */
    private static final double ERROR_OF_A_BIT = Math.log(2) / 6;

    /** Of a group that has any at all: states of the coder, lengths. */
    private static final double FIXED_BITS = 8 * 280;

    /** Of a component besides its entries. */
    private static final double HEAD_BITS = 32;

    /** Deviations in units from which on rounding errs by 1/12. */
    private static final double LARGE = 30;

    private OwnGain() {}

    /**
     * How many of the first components pay.
     *
     * @param scaled deviations of the coefficients, of a token of scale 1, falling
     * @param tokens of the cache
     * @param width entries of a component
     */
    static int components(double[] scaled, double step, long tokens, int width) {
        double gain = -ERROR_OF_A_BIT * FIXED_BITS;
        int components = 0;
        while (components < scaled.length) {
            double next = of(scaled[components] / step, tokens, width);
            if (next <= 0) {
                break;
            }
            gain += next;
            components++;
        }
        return gain > 0 ? components : 0;
    }

    /** @param deviation of the coefficients, in steps */
    static double of(double deviation, long tokens, int width) {
        // Entries are rounded so that what they err by adds up to a square of the step for each of them.
        double entry = deviation * Math.sqrt((double) tokens / width);
        double errors = tokens * (deviation * deviation - error(deviation)) - width * error(entry);
        return errors - ERROR_OF_A_BIT * (tokens * bits(deviation) + width * bits(entry) + HEAD_BITS);
    }

    /** Entropy of a rounded Laplacian. */
    static double bits(double deviation) {
        double rate = Math.sqrt(2) / deviation;
        double other = Math.exp(-rate / 2);
        double next = Math.exp(-rate);
        if (!(other > 0x1p-40)) {
            return 0;
        }
        double geometric = -Math.log(-Math.expm1(-rate)) + next / -Math.expm1(-rate) * rate;
        return (entropy(other) + other * geometric) / Math.log(2) + other;
    }

    private static double entropy(double share) {
        return -share * Math.log(share) - (1 - share) * Math.log1p(-share);
    }

    /** Mean square of what rounding a Laplacian errs by. */
    static double error(double deviation) {
        if (deviation > LARGE) {
            return 1 / 12.0;
        }
        double rate = Math.sqrt(2) / deviation;
        double square = 2 / (rate * rate);
        double below = 0.25 - 1 / rate + square;
        double above = 0.25 + 1 / rate + square;
        return square - Math.exp(-rate / 2) * above + (Math.exp(-rate / 2) * below - Math.exp(-1.5 * rate) * above) / -Math.expm1(-rate);
    }
}
