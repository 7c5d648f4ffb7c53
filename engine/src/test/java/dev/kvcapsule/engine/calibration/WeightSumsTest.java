package dev.kvcapsule.engine.calibration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class WeightSumsTest {
    private static WeightSums queries(double key, double value, long count) {
        return new WeightSums(new AttentionWeights(Optional.of(new double[][][] {{{key}}, {}}), Optional.of(new double[][][] {{{value}}, {}}), Optional.empty(), Optional.empty()), count, 0);
    }

    private static WeightSums noise(double key, double value, long count) {
        return new WeightSums(new AttentionWeights(Optional.empty(), Optional.empty(), Optional.of(new double[] {key, Double.NaN}), Optional.of(new double[] {value, Double.NaN})), 0, count);
    }

    @Test
    void momentsAreMeansOverQueries() {
        WeightSums both = queries(2, 5, 30).and(queries(6, 5, 10));
        assertEquals(40, both.queries());
        assertArrayEquals(new double[] {3}, both.means().keyMoments().orElseThrow()[0][0], 1e-15);
        assertEquals(0, both.means().keyMoments().orElseThrow()[1].length);
        assertEquals(5, both.means().valueMoments().orElseThrow()[0][0][0]);
    }

    @Test
    void sensitivitiesAreGeometricMeansOverProbes() {
        WeightSums both = noise(2, 3, 1).and(noise(16, 3, 2));
        assertEquals(3, both.probes());
        assertArrayEquals(new double[] {8, Double.NaN}, both.means().keySensitivity().orElseThrow(), 1e-12);
        assertArrayEquals(new double[] {3, Double.NaN}, both.means().valueSensitivity().orElseThrow(), 1e-12);
    }

    @Test
    void whatOnlyOneHasIsTakenFromThatOne() {
        WeightSums one = queries(2, 5, 30);
        WeightSums other = noise(2, 3, 4);
        for (WeightSums both : new WeightSums[] {one.and(other), other.and(one), one.and(other).and(WeightSums.NONE)}) {
            assertSame(one.means().keyMoments().orElseThrow(), both.means().keyMoments().orElseThrow());
            assertSame(one.means().valueMoments().orElseThrow(), both.means().valueMoments().orElseThrow());
            assertSame(other.means().keySensitivity().orElseThrow(), both.means().keySensitivity().orElseThrow());
            assertEquals(30, both.queries());
            assertEquals(4, both.probes());
        }
        assertEquals("none", WeightSums.NONE.and(WeightSums.NONE).means().label());
    }

    @Test
    void thoseOfDifferentModelsAreRefused() {
        assertTrue(assertThrows(IllegalArgumentException.class, () -> queries(2, 5, 30).and(queries(2, 6, 30))).getMessage().contains("output projections"));
        WeightSums shorter = new WeightSums(new AttentionWeights(Optional.of(new double[][][] {{{1}}}), Optional.empty(), Optional.empty(), Optional.empty()), 1, 0);
        WeightSums wider = new WeightSums(new AttentionWeights(Optional.of(new double[][][] {{{1, 0, 0, 1}}, {}}), Optional.empty(), Optional.empty(), Optional.empty()), 1, 0);
        WeightSums probed = new WeightSums(new AttentionWeights(Optional.empty(), Optional.empty(), Optional.of(new double[1]), Optional.of(new double[1])), 0, 1);
        assertThrows(IllegalArgumentException.class, () -> queries(2, 5, 30).and(shorter));
        assertThrows(IllegalArgumentException.class, () -> queries(2, 5, 30).and(wider));
        assertThrows(IllegalArgumentException.class, () -> noise(1, 1, 1).and(probed));
    }

    @Test
    void countsGoWithWhatIsCounted() {
        AttentionWeights means = queries(2, 5, 30).means();
        assertThrows(IllegalArgumentException.class, () -> new WeightSums(means, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> new WeightSums(means, -1, 0));
        assertThrows(IllegalArgumentException.class, () -> new WeightSums(means, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new WeightSums(AttentionWeights.NONE, 1, 0));
    }
}
