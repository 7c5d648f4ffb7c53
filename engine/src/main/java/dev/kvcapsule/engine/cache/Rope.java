package dev.kvcapsule.engine.cache;

import java.util.List;
import java.util.Objects;

/**
 * Rotary position embedding (Su et al., arXiv 2104.09864) as one layer applies it to its keys: pair i of a head's first {@code dims} channels
 * is turned by {@code position * frequency(i)}, where {@code frequency(i) = scale * base^(-2i/dims) / factor(i)}.
 *
 * @param pairing which channels form a pair
 * @param base the geometric base, above 0 (10,000 in the paper)
 * @param dims channels of a head that are turned, even, at least 2; the rest pass through
 * @param scale linear position scaling, above 0; 1 is none
 * @param factors a divisor a pair (dims / 2 of them), for Llama 3, LongRoPE and YaRN scaling; empty is none
 */
public record Rope(Pairing pairing, double base, int dims, double scale, List<Double> factors) {

    /** Which channels form a pair. */
    public enum Pairing {
        /** Channels 2i and 2i + 1 ("norm" in llama.cpp, GPT-J style). */
        INTERLEAVED("interleaved"),
        /** Channels i and i + dims/2 ("neox" in llama.cpp, Hugging Face style). */
        HALF_SPLIT("half-split");

        private final String label;

        Pairing(String label) {
            this.label = label;
        }

        /** The name used in manifests and options. */
        public String label() {
            return label;
        }

        /** @throws IllegalArgumentException if there is no pairing of that name */
        public static Pairing ofLabel(String label) {
            for (Pairing pairing : values()) {
                if (pairing.label.equals(label)) {
                    return pairing;
                }
            }
            throw new IllegalArgumentException("RoPE pairing '" + label + "' is neither interleaved nor half-split");
        }
    }

    /** @throws IllegalArgumentException if a component is out of its range */
    public Rope {
        Objects.requireNonNull(pairing);
        factors = List.copyOf(factors);
        if (!(base > 0) || Double.isInfinite(base)) {
            throw new IllegalArgumentException("RoPE base " + base + " is not a positive number");
        }
        if (dims < 2 || dims % 2 != 0) {
            throw new IllegalArgumentException("RoPE dims " + dims + " is not an even number of at least 2");
        }
        if (!(scale > 0) || Double.isInfinite(scale)) {
            throw new IllegalArgumentException("RoPE scale " + scale + " is not a positive number");
        }
        if (!factors.isEmpty() && factors.size() != dims / 2) {
            throw new IllegalArgumentException("RoPE has " + factors.size() + " factors for " + dims / 2 + " pairs");
        }
        for (double factor : factors) {
            if (!(factor > 0) || Double.isInfinite(factor)) {
                throw new IllegalArgumentException("RoPE factor " + factor + " is not a positive number");
            }
        }
    }

    /** Plain RoPE without scaling. */
    public static Rope of(Pairing pairing, double base, int dims) {
        return new Rope(pairing, base, dims, 1, List.of());
    }

    /** Radians a position for each pair, {@code dims / 2} of them. */
    public double[] frequencies() {
        double[] frequencies = new double[dims / 2];
        for (int i = 0; i < frequencies.length; i++) {
            double factor = factors.isEmpty() ? 1 : factors.get(i);
            frequencies[i] = scale * StrictMath.pow(base, -2.0 * i / dims) / factor;
        }
        return frequencies;
    }
}
