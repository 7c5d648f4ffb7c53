package dev.kvcapsule.engine.compare;

import java.util.Random;

/**
 * Attention outputs of one layer for made-up queries, over the original and the changed cache. Queries are normal random vectors with a fixed
 * seed, scaled so that their logits over the first tokens spread with a standard deviation of 2, as trained heads' do; softmax and weighted
 * sum are taken in one pass (online softmax, arXiv 1805.02867), so that any length fits in memory.
 */
final class AttentionProbe {
    private static final int QUERIES = 8;
    private static final double LOGIT_DEVIATION = 2;
    private static final long SEED = 0x5EEDL;

    private final int heads;
    private final int keyDim;
    private final int valueDim;
    private final float[][] queries;
    private final State original;
    private final State changed;

    /** Running softmax of every query: largest logit, sum of weights, weighted sum of values. */
    private static final class State {
        final double[] largest;
        final double[] weight;
        final double[][] sum;

        State(int queries, int valueDim) {
            largest = new double[queries];
            java.util.Arrays.fill(largest, Double.NEGATIVE_INFINITY);
            weight = new double[queries];
            sum = new double[queries][valueDim];
        }

        void add(int query, double logit, float[] value, int offset) {
            if (logit > largest[query]) {
                double shrink = Math.exp(largest[query] - logit);
                weight[query] *= shrink;
                for (int i = 0; i < sum[query].length; i++) {
                    sum[query][i] *= shrink;
                }
                largest[query] = logit;
            }
            double w = Math.exp(logit - largest[query]);
            weight[query] += w;
            for (int i = 0; i < sum[query].length; i++) {
                sum[query][i] += w * value[offset + i];
            }
        }
    }

    /** @param keys the first rows of the original K, by which the queries are scaled */
    AttentionProbe(int heads, int keyDim, int valueDim, float[] keys, int rows) {
        this.heads = heads;
        this.keyDim = keyDim;
        this.valueDim = valueDim;
        this.queries = new float[heads * QUERIES][keyDim];
        this.original = new State(heads * QUERIES, valueDim);
        this.changed = new State(heads * QUERIES, valueDim);
        Random random = new Random(SEED);
        for (int q = 0; q < queries.length; q++) {
            for (int i = 0; i < keyDim; i++) {
                queries[q][i] = (float) random.nextGaussian();
            }
            double sum = 0;
            double squares = 0;
            for (int row = 0; row < rows; row++) {
                double logit = dot(queries[q], keys, offset(row, q));
                sum += logit;
                squares += logit * logit;
            }
            double variance = squares / rows - sum / rows * (sum / rows);
            double scale = variance > 0 ? LOGIT_DEVIATION / Math.sqrt(variance) : 0;
            for (int i = 0; i < keyDim; i++) {
                queries[q][i] *= (float) scale;
            }
        }
    }

    private int offset(int row, int query) {
        return (row * heads + query / QUERIES) * keyDim;
    }

    private double dot(float[] query, float[] keys, int offset) {
        float sum = 0;
        for (int i = 0; i < keyDim; i++) {
            sum += query[i] * keys[offset + i];
        }
        return sum;
    }

    /** Adds rows of K and V of both caches. */
    void add(float[] keys, float[] values, float[] changedKeys, float[] changedValues, int rows) {
        for (int q = 0; q < queries.length; q++) {
            for (int row = 0; row < rows; row++) {
                int valueOffset = (row * heads + q / QUERIES) * valueDim;
                original.add(q, dot(queries[q], keys, offset(row, q)), values, valueOffset);
                changed.add(q, dot(queries[q], changedKeys, offset(row, q)), changedValues, valueOffset);
            }
        }
    }

    /** sqrt(sum (o' - o)^2 / sum o^2) over all queries' outputs o. */
    double relativeError() {
        double error = 0;
        double square = 0;
        for (int q = 0; q < queries.length; q++) {
            for (int i = 0; i < valueDim; i++) {
                double a = original.sum[q][i] / original.weight[q];
                double b = changed.sum[q][i] / changed.weight[q];
                error += (b - a) * (b - a);
                square += a * a;
            }
        }
        return error == 0 ? 0 : Math.sqrt(error / square);
    }
}
