package dev.kvcapsule.engine.format;

import java.util.Optional;

/**
 * How well a shared basis suited a cache. A basis keeps fewer components than a token has channels; what the others would have held is lost at any step. Texts of a kind that calibration has not
 * seen have more of it.
 *
 * @param outside share of the cache's energy, as the codec weighs it, that lay outside the basis's components: from 0 to 1
 * @param calibrated the same of what the basis was calibrated on, which it knows best
 */
public record BasisFit(double outside, double calibrated) {
    /** Numbers that {@link dev.kvcapsule.engine.codec.TileCoder#fit} adds up. */
    public static final int SUMS = 3;

    /** How much more than of its calibration's texts may lie outside. Measured on real caches, docs/fidelity.md. */
    private static final double FACTOR = 2;

    /** Less than this much more is no harm: a basis is rounded, and knows the texts it was calibrated on better than others of their kind. */
    private static final double NEGLIGIBLE = 0.012;

    /**
     * What was added up over tiles.
     *
     * @param sums {@value #SUMS} numbers: energy outside, what it would be in calibration's caches, energy
     * @return empty if there is no energy
     */
    public static Optional<BasisFit> of(double[] sums) {
        return sums[2] > 0 ? Optional.of(new BasisFit(sums[0] / sums[2], sums[1] / sums[2])) : Optional.empty();
    }

    /** Whether the basis knows caches like this one. */
    public boolean isGood() {
        return outside <= Math.max(FACTOR * calibrated, calibrated + NEGLIGIBLE);
    }
}
