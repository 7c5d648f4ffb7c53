package dev.kvcapsule.serving.llamacpp.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** What is computed from measurements; the measurements themselves are in {@link LlamaModelTest}. */
class LayerSensitivityTest {
    private static final double NAN = Double.NaN;

    @Test
    void smoothsOverNeighbours() {
        LayerSensitivity smooth = new LayerSensitivity(new double[] {4, 8, 0, 4}, new double[] {NAN, 4, NAN, 6}).smoothed();
        assertArrayEquals(new double[] {16.0 / 3, 5, 3, 8.0 / 3}, smooth.key(), 1e-12);
        assertArrayEquals(new double[] {NAN, 4, NAN, 6}, smooth.value(), 1e-12);
        assertArrayEquals(new double[] {7}, new LayerSensitivity(new double[] {7}, new double[] {NAN}).smoothed().key(), 1e-12);
    }

    @Test
    void takesTheGeometricMean() {
        LayerSensitivity mean = LayerSensitivity.geometricMean(List.of(new LayerSensitivity(new double[] {1, 2}, new double[] {NAN, 9}),
                new LayerSensitivity(new double[] {4, 8}, new double[] {NAN, 1})));
        assertArrayEquals(new double[] {2, 4}, mean.key(), 1e-12);
        assertArrayEquals(new double[] {NAN, 3}, mean.value(), 1e-12);
        assertThrows(IllegalArgumentException.class, () -> LayerSensitivity.geometricMean(List.of()));
        assertThrows(IllegalArgumentException.class, () -> LayerSensitivity.geometricMean(List.of(mean, new LayerSensitivity(new double[1], new double[1]))));
    }

    @Test
    void refusesNoiseThatIsNone() {
        assertThrows(IllegalArgumentException.class, () -> new NoiseLevel(0, 1));
        assertThrows(IllegalArgumentException.class, () -> new NoiseLevel(1, NAN));
        assertThrows(IllegalArgumentException.class, () -> new SensitivityProbe(NoiseLevel.SMOLLM2, -1, 0));
    }

    /** The definitions, on a vocabulary of three. */
    @Test
    void comparesPredictions() {
        TokenDrift drift = TokenDrift.of(new float[] {(float) Math.log(2), 0, 0}, new float[] {0, 0, (float) Math.log(2)}, 0);
        assertEquals(0.5 * Math.log(0.5 / 0.25) + 0.25 * Math.log(0.25 / 0.5), drift.divergence(), 1e-7);
        assertFalse(drift.sameTop());
        assertEquals(Math.log(2), drift.referenceLoss(), 1e-7);
        assertEquals(Math.log(4), drift.loss(), 1e-7);
        float[] logits = {1000, -1000, 1000};
        TokenDrift none = TokenDrift.of(logits, logits, 2);
        assertEquals(0, none.divergence());
        assertTrue(none.sameTop());
        assertEquals(Math.log(2), none.loss(), 1e-12);
    }
}
