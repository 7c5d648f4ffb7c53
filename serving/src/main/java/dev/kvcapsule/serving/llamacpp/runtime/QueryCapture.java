package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.serving.ModelFacts;
import java.util.Optional;

/**
 * Accumulates {@link QueryMoments} of every token that a context evaluates, in constant memory: queries are turned back to what they were before
 * RoPE, and their outer products summed in double precision. Not thread-safe.
 */
public final class QueryCapture implements QueryListener {
    /** Distances between query and key that moments are averaged over, unless said otherwise: those of a context of 4,096 tokens and its answer. */
    public static final int DEFAULT_DISTANCES = 4400;

    private final ModelFacts facts;
    private final SecondMoment[][] sums;
    private long tokens;
    private int firstLayer = -1;

    // Cosines and sines of one batch's positions, [token][pair], under the RoPE that was used last: most models have one or two.
    private Rope turnedBy;
    private int turnedFrom;
    private double[] cosines = new double[0];
    private double[] sines = new double[0];

    /** @param facts of the model, with the context size it runs with */
    public QueryCapture(ModelFacts facts) {
        this.facts = facts;
        sums = new SecondMoment[facts.layers().size()][];
    }

    @Override
    public void queries(int layer, int position, Batch batch) {
        if (layer < 0 || layer >= sums.length) {
            throw new IllegalArgumentException("layer " + layer + " of a model of " + sums.length);
        }
        if (firstLayer < 0) {
            firstLayer = layer;
        }
        // Layers come one after another; the first one's tokens are everyone's.
        tokens += layer == firstLayer ? batch.tokens() : 0;
        if (sums[layer] == null) {
            sums[layer] = new SecondMoment[batch.kvHeads()];
            for (int h = 0; h < batch.kvHeads(); h++) {
                sums[layer][h] = new SecondMoment(batch.headDim());
            }
        }
        Optional<Rope> rope = rope(layer, batch.headDim());
        rope.ifPresent(r -> prepare(r, position, batch.tokens()));
        int group = batch.heads() / batch.kvHeads();
        int dim = batch.headDim();
        for (int head = 0; head < batch.heads(); head++) {
            SecondMoment sum = sums[layer][head / group];
            for (int t = 0; t < batch.tokens(); t++) {
                double[] vector = sum.next();
                int from = (t * batch.heads() + head) * dim;
                for (int c = 0; c < dim; c++) {
                    vector[c] = batch.values()[from + c];
                }
                if (rope.isPresent()) {
                    turnBack(rope.get(), vector, t);
                }
                sum.advance();
            }
        }
    }

    private Optional<Rope> rope(int layer, int headDim) {
        return facts.layers().get(layer).rope().filter(rope -> rope.dims() <= headDim);
    }

    private void prepare(Rope rope, int position, int count) {
        int pairs = rope.dims() / 2;
        if (rope.equals(turnedBy) && position == turnedFrom && cosines.length >= count * pairs) {
            return;
        }
        double[] frequencies = rope.frequencies();
        cosines = new double[count * pairs];
        sines = new double[count * pairs];
        for (int t = 0; t < count; t++) {
            for (int i = 0; i < pairs; i++) {
                double angle = (position + t) * frequencies[i];
                cosines[t * pairs + i] = Math.cos(angle);
                sines[t * pairs + i] = Math.sin(angle);
            }
        }
        turnedBy = rope;
        turnedFrom = position;
    }

    private void turnBack(Rope rope, double[] vector, int token) {
        int pairs = rope.dims() / 2;
        boolean interleaved = rope.pairing() == Rope.Pairing.INTERLEAVED;
        for (int i = 0; i < pairs; i++) {
            int a = interleaved ? 2 * i : i;
            int b = interleaved ? 2 * i + 1 : i + pairs;
            double cos = cosines[token * pairs + i];
            double sin = sines[token * pairs + i];
            double x = vector[a];
            double y = vector[b];
            vector[a] = x * cos + y * sin;
            vector[b] = y * cos - x * sin;
        }
    }

    /** Tokens seen so far. */
    public long tokens() {
        return tokens;
    }

    /**
     * The moments so far, averaged over the distances 1 to {@code distances} between query and key, or to the layer's window where that is less.
     *
     * @param distances at least 1, such as {@link #DEFAULT_DISTANCES}
     * @throws IllegalStateException if no token was seen
     */
    public QueryMoments moments(int distances) {
        if (tokens == 0) {
            throw new IllegalStateException("no queries were captured");
        }
        double[][][] moments = new double[sums.length][][];
        for (int layer = 0; layer < sums.length; layer++) {
            moments[layer] = new double[sums[layer] == null ? 0 : sums[layer].length][];
            int window = facts.layers().get(layer).window();
            int reach = window > 0 ? Math.min(window, distances) : distances;
            for (int head = 0; head < moments[layer].length; head++) {
                double[] matrix = sums[layer][head].matrix();
                int dim = (int) Math.sqrt(matrix.length);
                rope(layer, dim).ifPresent(rope -> new RelativeRotation(rope, reach).average(matrix, dim));
                for (int i = 0; i < matrix.length; i++) {
                    matrix[i] /= tokens;
                }
                moments[layer][head] = matrix;
            }
        }
        return new QueryMoments(moments, tokens);
    }
}
