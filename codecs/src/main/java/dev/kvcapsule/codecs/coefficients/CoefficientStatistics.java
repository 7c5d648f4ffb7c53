package dev.kvcapsule.codecs.coefficients;

import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Counts of symbols by context over any number of matrices, to make tables of. Additive. */
public final class CoefficientStatistics {
    /** How many observations the guess for a context counts for. */
    private static final double GUESS_WEIGHT = 20;

    private final long[] counts = new long[CoefficientKernel.CONTEXTS * CoefficientKernel.SYMBOLS];

    /** No observations. */
    public CoefficientStatistics() {}

    /** What kernels add to: counts, [context][symbol]. */
    long[] counted() {
        return counts;
    }

    /** Adds another's observations. */
    public void add(CoefficientStatistics other) {
        for (int i = 0; i < counts.length; i++) {
            counts[i] += other.counts[i];
        }
    }

    /** Counts, [context][symbol]. */
    public long[] counts() {
        return counts.clone();
    }

    /** The entropy of what was counted, given its contexts, in bits: what no table for these contexts can undercut. */
    public double entropyBits() {
        double bits = 0;
        for (int context = 0; context < CoefficientKernel.CONTEXTS; context++) {
            long total = 0;
            for (int symbol = 0; symbol < CoefficientKernel.SYMBOLS; symbol++) {
                total += counts[context * CoefficientKernel.SYMBOLS + symbol];
            }
            for (int symbol = 0; symbol < CoefficientKernel.SYMBOLS; symbol++) {
                long count = counts[context * CoefficientKernel.SYMBOLS + symbol];
                bits -= count == 0 ? 0 : count * Math.log((double) count / total) / Math.log(2);
            }
        }
        return bits;
    }

    /** Tables for what was counted; contexts that were hardly seen lean on a Laplacian of their class. */
    public CoefficientTables tables() {
        try (java.lang.foreign.Arena arena = java.lang.foreign.Arena.ofConfined()) {
            MemorySegment stored = arena.allocate(CoefficientTables.BYTES, 8);
            for (int context = 0; context < CoefficientKernel.CONTEXTS; context++) {
                int[] frequencies = frequencies(context);
                for (int symbol = 0; symbol < CoefficientKernel.SYMBOLS; symbol++) {
                    stored.set(ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN), 2L * (context * CoefficientKernel.SYMBOLS + symbol), (short) frequencies[symbol]);
                }
            }
            return CoefficientTables.parse(stored);
        } catch (MalformedDataException e) {
            throw new AssertionError(e);
        }
    }

    /** At least 1 each, in the proportions seen. */
    private int[] frequencies(int context) {
        double[] weights = guess(context);
        double sum = 0;
        for (int symbol = 0; symbol < weights.length; symbol++) {
            weights[symbol] = GUESS_WEIGHT * weights[symbol] + counts[context * CoefficientKernel.SYMBOLS + symbol];
            sum += weights[symbol];
        }
        int[] frequencies = new int[weights.length];
        int left = CoefficientKernel.TOTAL;
        int largest = 0;
        for (int symbol = 0; symbol < weights.length; symbol++) {
            frequencies[symbol] = Math.max(1, (int) Math.rint(weights[symbol] / sum * CoefficientKernel.TOTAL));
            left -= frequencies[symbol];
            largest = frequencies[symbol] > frequencies[largest] ? symbol : largest;
        }
        frequencies[largest] += left;
        return frequencies;
    }

    private static double[] guess(int context) {
        int scale = context / CoefficientKernel.ENERGIES;
        int energy = context % CoefficientKernel.ENERGIES - CoefficientKernel.ENERGIES / 2;
        double mean = Math.pow(2, (scale + 0.5) / 2 - 12 + 0.35 * energy);
        // Mean magnitude of a two-sided geometric distribution with ratio r is 2 r / (1 - r^2).
        double ratio = (Math.sqrt(1 + mean * mean) - 1) / mean;
        double[] weights = new double[CoefficientKernel.SYMBOLS];
        double sum = 0;
        for (int symbol = 0; symbol < weights.length; symbol++) {
            weights[symbol] = Math.pow(ratio, (symbol + 1) / 2);
            sum += weights[symbol];
        }
        for (int symbol = 0; symbol < weights.length; symbol++) {
            weights[symbol] /= sum;
        }
        return weights;
    }
}
