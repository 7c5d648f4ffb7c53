package dev.kvcapsule.engine.compare;

/**
 * How one layer differs.
 *
 * @param subCache name of its sub-cache
 * @param layer its number in the model
 * @param key difference of K
 * @param value difference of V; empty sums if the layer has none
 * @param attention relative error of attention outputs for made-up queries; NaN if the layer has no V
 */
public record LayerDifference(String subCache, int layer, TensorDifference key, TensorDifference value, double attention) {}
