package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.TransformBasis;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * What turns a token's vector x into coefficients c and back: x = mean + backward(sum of c_k u_k).
 *
 * @param group the layers
 * @param mean [width]
 * @param weighting into the weighted space and back
 * @param basis components u_k, orthonormal up to quantization, by falling deviation
 * @param deviations standard deviation of each coefficient, [components]; finite, at least 0
 */
record Transform(LayerGroup group, float[] mean, Weighting weighting, TransformBasis basis, float[] deviations) {
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    int width() {
        return mean.length;
    }

    int components() {
        return deviations.length;
    }
}
