package dev.kvcapsule.serving.llamacpp.runtime;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/** Keeps some of the queries that a context evaluates: every so many tokens from a position on. Not thread-safe. */
public final class QuerySample implements QueryListener {
    private final int first;
    private final int every;
    private final TreeMap<Integer, List<Query>> byLayer = new TreeMap<>();

    /**
     * The queries of a token in a layer.
     *
     * @param position of the token
     * @param values [queryHead][channel], as {@link QueryListener.Batch} has them
     * @param kvHeads KV heads; query head h reads KV head h / (heads / kvHeads)
     * @param headDim channels of a query
     */
    public record Query(int position, float[] values, int kvHeads, int headDim) {}

    /**
     * @param first first position of interest
     * @param every keep one token of so many, at least 1
     */
    public QuerySample(int first, int every) {
        this.first = first;
        this.every = every;
    }

    /** The first position of interest. */
    public int first() {
        return first;
    }

    @Override
    public void queries(int layer, int position, Batch batch) {
        int row = batch.heads() * batch.headDim();
        for (int t = 0; t < batch.tokens(); t++) {
            int at = position + t - first;
            if (at >= 0 && at % every == 0) {
                float[] values = new float[row];
                System.arraycopy(batch.values(), t * row, values, 0, row);
                byLayer.computeIfAbsent(layer, l -> new ArrayList<>()).add(new Query(position + t, values, batch.kvHeads(), batch.headDim()));
            }
        }
    }

    /** The queries that read a layer's keys, by rising position. */
    public List<Query> of(int layer) {
        return byLayer.getOrDefault(layer, List.of());
    }
}
