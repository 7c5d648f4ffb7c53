package dev.kvcapsule.serving.llamacpp.runtime;

/**
 * How far one prediction is from another, in double precision over the whole vocabulary.
 *
 * @param divergence Kullback-Leibler divergence of the second from the first, in nats
 * @param sameTop whether both find the same token most likely (the lowest id of those that are)
 * @param referenceLoss negative log-likelihood of the token that really comes next, in nats, by the first
 * @param loss the same by the second
 */
record TokenDrift(double divergence, boolean sameTop, double referenceLoss, double loss) {

    /**
     * @param reference logits
     * @param other as many
     * @param next the token that comes next
     */
    static TokenDrift of(float[] reference, float[] other, int next) {
        double logTotal = logTotal(reference);
        double otherLogTotal = logTotal(other);
        double divergence = 0;
        int top = 0;
        int otherTop = 0;
        for (int i = 0; i < reference.length; i++) {
            double log = reference[i] - logTotal;
            divergence += Math.exp(log) * (log - (other[i] - otherLogTotal));
            top = reference[i] > reference[top] ? i : top;
            otherTop = other[i] > other[otherTop] ? i : otherTop;
        }
        return new TokenDrift(divergence, top == otherTop, logTotal - reference[next], otherLogTotal - other[next]);
    }

    /** The logarithm of the sum of exponentials. */
    private static double logTotal(float[] logits) {
        float max = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp((double) logit - max);
        }
        return max + Math.log(sum);
    }
}
