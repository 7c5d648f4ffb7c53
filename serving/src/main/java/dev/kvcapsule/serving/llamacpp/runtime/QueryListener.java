package dev.kvcapsule.serving.llamacpp.runtime;

/** Sees the query vectors that attention compares with a layer's keys, a batch at a time. */
@FunctionalInterface
public interface QueryListener {
    /**
     * @param layer the layer whose key cache is read (a layer that shares another's cache reports that one)
     * @param position of the batch's first token; the others follow without gaps
     * @param batch the queries; the array behind it is reused
     */
    void queries(int layer, int position, Batch batch);

    /**
     * Queries as they meet the keys of the cache: after RoPE where keys are stored after RoPE, times the attention scale, so that a query times
     * a key is a score before softmax.
     *
     * @param values [token][queryHead][channel]
     * @param tokens tokens of the batch
     * @param heads query heads
     * @param kvHeads KV heads; query head h reads KV head h / (heads / kvHeads)
     * @param headDim channels of a query and of a key
     */
    record Batch(float[] values, int tokens, int heads, int kvHeads, int headDim) {
        /** @throws IllegalArgumentException if query heads are not a multiple of KV heads, or the array is too short */
        public Batch {
            if (tokens < 0 || kvHeads < 1 || heads % kvHeads != 0 || headDim < 1 || values.length < (long) tokens * heads * headDim) {
                throw new IllegalArgumentException(tokens + " tokens, " + heads + " query heads, " + kvHeads + " KV heads, " + headDim + " channels in "
                        + values.length + " floats");
            }
        }
    }
}
