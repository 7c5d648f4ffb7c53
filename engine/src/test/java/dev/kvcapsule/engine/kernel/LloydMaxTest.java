package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LloydMaxTest {
    private static final int STEPS = 100_000;

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void eachCentroidIsTheMeanOfTheNormalDistributionOverItsCell(int bits) {
        double[] centroids = LloydMax.centroids(bits);
        assertEquals(1 << bits, centroids.length);
        for (int k = 0; k < centroids.length; k++) {
            double mass = 0;
            double moment = 0;
            for (int i = 0; i < STEPS; i++) {
                double x = at(centroids, k, i);
                mass += Math.exp(-x * x / 2);
                moment += x * Math.exp(-x * x / 2);
            }
            assertEquals(moment / mass, centroids[k], 1e-7);
        }
    }

    @ParameterizedTest
    @CsvSource({"2, 0.1175", "3, 0.03454", "4, 0.009497"})
    void meanSquaredErrorIsThatOfTheTable(int bits, double expected) {
        double[] centroids = LloydMax.centroids(bits);
        double error = 0;
        for (int k = 0; k < centroids.length; k++) {
            double width = at(centroids, k, 1) - at(centroids, k, 0);
            for (int i = 0; i < STEPS; i++) {
                double x = at(centroids, k, i);
                error += (x - centroids[k]) * (x - centroids[k]) * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI) * width;
            }
        }
        assertEquals(expected, error, 0.0001);
    }

    @Test
    void otherWidthsAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> LloydMax.centroids(1));
        assertThrows(IllegalArgumentException.class, () -> LloydMax.centroids(5));
    }

    /** Midpoint {@code i} of {@value #STEPS} pieces of a cell, whose ends lie halfway to its neighbours. */
    private static double at(double[] centroids, int cell, int i) {
        double low = cell == 0 ? -12 : (centroids[cell - 1] + centroids[cell]) / 2;
        double high = cell == centroids.length - 1 ? 12 : (centroids[cell] + centroids[cell + 1]) / 2;
        return low + (high - low) * (i + 0.5) / STEPS;
    }
}
