package dev.kvcapsule.codecs.klt;

/**
 * Predicts how much attention later tokens will pay a token in some layers, against the others: a linear function of the logarithms of the token's age and of the
 * norms of its head rows in these layers.
 *
 * @param weights the weight of ln(age + {@value #AGE_OFFSET}), that of the logarithm of each head row's norm, and what makes the mean of these zero in
 *     calibration; none if nothing is known
 */
record TokenSensitivity(float[] weights) {
    /** Nothing is known. */
    static final TokenSensitivity UNKNOWN = new TokenSensitivity(new float[0]);

    /** Weights that are not of heads. */
    static final int OTHERS = 2;

    /** Tokens that came so shortly before the end are all read about as much. */
    private static final int AGE_OFFSET = 64;

    boolean isKnown() {
        return weights.length > 0;
    }

    /** The logarithm that attention falls with linearly. @param age tokens from it to the end of the context, at least 1 */
    static double age(int age) {
        return StrictMath.log(Math.max(1, age) + AGE_OFFSET);
    }

    /**
     * The natural logarithm of the attention, against that of the usual token.
     *
     * @param age {@link #age}, against its mean over the context, or a share of it
     * @param norms logarithms of the norms of head rows, from {@code at} on
     */
    double predict(double age, float[] norms, int at) {
        double sum = weights[0] * age + weights[weights.length - 1];
        for (int h = 0; h < weights.length - OTHERS; h++) {
            sum += weights[1 + h] * norms[at + h];
        }
        return sum;
    }
}
