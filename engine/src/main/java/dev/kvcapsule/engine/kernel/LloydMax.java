package dev.kvcapsule.engine.kernel;

/**
 * The Lloyd-Max quantizer of the standard normal distribution (J. Max, "Quantizing for minimum distortion", 1960; S. Lloyd, "Least
 * squares quantization in PCM", 1982): the codebook that TurboQuant (arXiv 2504.19874) uses after a random rotation.
 *
 * <p>The centroids are pinned, so that the format does not depend on a math library. They were computed in double by alternating
 * c_k = (pdf(t_k) - pdf(t_{k+1})) / (cdf(t_{k+1}) - cdf(t_k)) and t_k = (c_{k-1} + c_k) / 2 until no centroid moved by more than
 * 1e-13 ({@code LloydMaxTest} repeats this), and agree with Max's published table. Only the positive half is kept: the
 * codebook is symmetric.
 */
public final class LloydMax {
    private static final double[] TWO = {0.452780034636, 1.510417608499};
    private static final double[] THREE = {0.245094178944, 0.756005281206, 1.343909278505, 2.151945704537};
    private static final double[] FOUR = {0.128395029851, 0.388048299490, 0.656759118532, 0.942340456487, 1.256231197347, 1.618046386022, 2.069017226531, 2.732589570995};

    private LloydMax() {}

    /**
     * {@return the 2^bits centroids in ascending order; a fresh array}
     *
     * @param bits 2, 3 or 4
     * @throws IllegalArgumentException for another width
     */
    public static double[] centroids(int bits) {
        double[] half = switch (bits) {
            case 2 -> TWO;
            case 3 -> THREE;
            case 4 -> FOUR;
            default -> throw new IllegalArgumentException("no rotated codebook of " + bits + " bits");
        };
        double[] all = new double[2 * half.length];
        for (int i = 0; i < half.length; i++) {
            all[half.length + i] = half[i];
            all[half.length - 1 - i] = -half[i];
        }
        return all;
    }
}
