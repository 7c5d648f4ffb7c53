package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.TransformBasis;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.OptionalDouble;

/**
 * What turns a token's vector x into coefficients c and back: x = mean + backward(sum of c_k u_k).
 *
 * @param group the layers
 * @param mean [width]
 * @param weighting into the weighted space and back
 * @param basis components u_k, orthonormal up to quantization, by falling deviation; those of {@code own} come before them
 * @param leading components that encoders take out of a vector before they project it on the others, which are rounded more roughly: what rounding lets of a strong one into the projection on a
 *     weak one is more than that one's own coefficient. 0: all are projected at once
 * @param deviations standard deviation of the coefficient of each component of the basis; finite, at least 0
 * @param split components whose u_k has a second row in the basis, rising: row components + i is to be added to row split[i]
 * @param sensitivity how much attention tokens will be paid in these layers; without weights if that is not known
 * @param outside share of the weighted variance that lay outside the components where they come from; empty for those of the cache itself
 * @param fit what makes projections on a roughly rounded basis the best coefficients for it; null where plain projections are good enough, and for decoders
 * @param own components of the capsule's own besides those of a shared basis; null where there are none
 */
record Transform(LayerGroup group, float[] mean, Weighting weighting, TransformBasis basis, int leading, float[] deviations, int[] split, TokenSensitivity sensitivity,
        OptionalDouble outside, GramInverse fit, OwnComponents own) {
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    int width() {
        return mean.length;
    }

    /** The same with least squares against its rounded basis. */
    Transform with(GramInverse squares) {
        return new Transform(group, mean, weighting, basis, leading, deviations, split, sensitivity, outside, squares, own);
    }

    /** The same with components of the capsule's own. */
    Transform with(OwnComponents besides) {
        return new Transform(group, mean, weighting, basis, leading, deviations, split, sensitivity, outside, fit, besides);
    }

    /** The first rows of the basis. */
    TransformBasis rows(int components) {
        return basis.range(0, components);
    }

    /** How many of the first components have a second row. */
    int splitRows(int components) {
        int rows = 0;
        while (rows < split.length && split[rows] < components) {
            rows++;
        }
        return rows;
    }

    /** Those second rows. */
    TransformBasis secondRows(int count) {
        return basis.range(deviations.length, count);
    }

    /** Components that come before those of the basis. */
    int ownComponents() {
        return own == null ? 0 : own.components();
    }

    /** All components. */
    int components() {
        return ownComponents() + deviations.length;
    }

    /** Standard deviation of the coefficient of one of {@link #components}. */
    float deviation(int component) {
        int before = ownComponents();
        return component < before ? own.deviations()[component] : deviations[component - before];
    }
}
