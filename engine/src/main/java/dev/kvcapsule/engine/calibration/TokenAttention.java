package dev.kvcapsule.engine.calibration;

/**
 * How much attention the last tokens of a context paid those before: what it costs to get those wrong. Not copied.
 *
 * @param byLayer [layer][position], mean attention weight over the heads and the tokens that looked back, which are those from position
 *     {@code byLayer[layer].length} on; 0 where the cache has no token (any more). Layers of which nothing is known have no positions
 */
public record TokenAttention(float[][] byLayer) {
    /** Nothing is known. */
    public static final TokenAttention NONE = new TokenAttention(new float[0][]);

    /** The attention paid in a layer, by position; empty if nothing is known. */
    public float[] of(int layer) {
        return layer < byLayer.length ? byLayer[layer] : new float[0];
    }
}
