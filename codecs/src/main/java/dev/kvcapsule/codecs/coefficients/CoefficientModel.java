package dev.kvcapsule.codecs.coefficients;

/** What coders of coefficients are told of them beforehand. */
public final class CoefficientModel {
    private CoefficientModel() {}

    /**
     * What magnitude to expect of a Laplacian coefficient after rounding.
     *
     * @param deviation standard deviation over the step, at least 0
     * @return mean of |rint(x)|, at least 2^-14
     */
    public static float expectedMagnitude(double deviation) {
        if (!(deviation > 1e-3)) {
            return 0x1p-14f;
        }
        double rate = StrictMath.sqrt(2) / deviation;
        double mean = StrictMath.exp(-rate / 2) / -StrictMath.expm1(-rate);
        return (float) Math.clamp(mean, 0x1p-14, 0x1p20);
    }
}
