package dev.kvcapsule.serving.llamacpp.runtime;

/**
 * Second moments of the queries that read each KV head, as errors of unrotated keys meet them: for an error e of a key before RoPE, e'Me is the
 * mean square by which one query head's score moves, summed over the query heads of the group. In layers whose keys are not rotated, or whose
 * rotation is not known, the same for keys as they are stored.
 *
 * @param moments [layer][KV head][d x d], symmetric, row by row; layers without a key cache have no heads. Scores are those before softmax, attention
 *     scale included. Not copied
 * @param tokens query tokens they are the mean of
 */
public record QueryMoments(double[][][] moments, long tokens) {
    /** @throws IllegalArgumentException if there is no token */
    public QueryMoments {
        if (tokens < 1) {
            throw new IllegalArgumentException("moments of " + tokens + " tokens");
        }
    }

    /**
     * The moments of both sets of tokens together.
     *
     * @throws IllegalArgumentException if the other one is of another shape
     */
    public QueryMoments and(QueryMoments other) {
        long sum = tokens + other.tokens;
        double share = (double) tokens / sum;
        double[][][] mean = new double[moments.length][][];
        same(moments.length, other.moments.length);
        for (int layer = 0; layer < mean.length; layer++) {
            same(moments[layer].length, other.moments[layer].length);
            mean[layer] = new double[moments[layer].length][];
            for (int head = 0; head < mean[layer].length; head++) {
                double[] a = moments[layer][head];
                double[] b = other.moments[layer][head];
                same(a.length, b.length);
                mean[layer][head] = new double[a.length];
                for (int i = 0; i < a.length; i++) {
                    mean[layer][head][i] = share * a[i] + (1 - share) * b[i];
                }
            }
        }
        return new QueryMoments(mean, sum);
    }

    private static void same(int a, int b) {
        if (a != b) {
            throw new IllegalArgumentException("moments of different models");
        }
    }
}
