package dev.kvcapsule.engine.kernel;

/**
 * Scales a histogram to integer frequencies of a fixed sum at the least cost in code length.
 *
 * <p>The cost {@code -sum count * log2(freq)} is convex in each frequency, so frequencies that no
 * exchange of one slot between two symbols improves are optimal.
 */
final class FrequencyNormalizer {
    private FrequencyNormalizer() {}

    /**
     * @param histogram counts of the {@value RansTables#SYMBOLS} byte symbols, none negative
     * @return frequencies, at least 1 for every symbol present, at most 4095, of sum 4096
     */
    static int[] normalize(long[] histogram) {
        if (histogram.length != RansTables.SYMBOLS) {
            throw new IllegalArgumentException("a histogram has 256 counts, not " + histogram.length);
        }
        double total = 0;
        int present = 0;
        int last = 0;
        for (int s = 0; s < histogram.length; s++) {
            if (histogram[s] < 0) {
                throw new IllegalArgumentException("negative count of symbol " + s);
            }
            if (histogram[s] > 0) {
                total += histogram[s];
                present++;
                last = s;
            }
        }
        int[] freq = new int[RansTables.SYMBOLS];
        if (present <= 1) {
            // 4096 would not fit 12 bits: a symbol that never occurs takes one slot (cost 0.0004 bits a symbol).
            freq[last] = RansTables.SLOTS - 1;
            freq[(last + 1) & 0xFF] = 1;
            return freq;
        }
        int sum = 0;
        for (int s = 0; s < histogram.length; s++) {
            if (histogram[s] > 0) {
                freq[s] = Math.max(1, (int) (histogram[s] * (RansTables.SLOTS / total)));
                sum += freq[s];
            }
        }
        exchange(histogram, freq, sum);
        return freq;
    }

    private static void exchange(long[] counts, int[] freq, int start) {
        double[] gain = new double[freq.length];
        double[] loss = new double[freq.length];
        for (int s = 0; s < freq.length; s++) {
            price(counts, freq, gain, loss, s);
        }
        int sum = start;
        int up = argMax(gain);
        int down = argMin(loss);
        // The tolerance ends the loop where rounding in log() would make two symbols swap for ever.
        while (sum != RansTables.SLOTS || gain[up] > loss[down] * (1 + 1e-9)) {
            if (sum <= RansTables.SLOTS) {
                freq[up]++;
                sum++;
                price(counts, freq, gain, loss, up);
            } else {
                freq[down]--;
                sum--;
                price(counts, freq, gain, loss, down);
            }
            up = argMax(gain);
            down = argMin(loss);
        }
    }

    /** Natural-log code length saved by one slot more and lost by one slot less. */
    private static void price(long[] counts, int[] freq, double[] gain, double[] loss, int s) {
        int f = freq[s];
        gain[s] = f == 0 ? -1 : counts[s] * Math.log1p(1.0 / f);
        loss[s] = f <= 1 ? Double.POSITIVE_INFINITY : counts[s] * Math.log1p(1.0 / (f - 1));
    }

    private static int argMax(double[] a) {
        int best = 0;
        for (int i = 1; i < a.length; i++) {
            best = a[i] > a[best] ? i : best;
        }
        return best;
    }

    private static int argMin(double[] a) {
        int best = 0;
        for (int i = 1; i < a.length; i++) {
            best = a[i] < a[best] ? i : best;
        }
        return best;
    }
}
