package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The order of sums, which is part of a capsule's bytes. */
class ErrorSumsTest {
    /** Said plainly: binary32 sums side by side, their sum in binary64 as pairs of neighbours, then what is left. */
    private static double squares(float[] values, int n, int chains) {
        float[] sums = new float[chains];
        int whole = n / chains * chains;
        for (int i = 0; i < whole; i++) {
            sums[i % chains] += values[i] * values[i];
        }
        double sum = (double) sums[0] + sums[1];
        for (int i = 2; i < chains; i += 2) {
            sum += (double) sums[i] + sums[i + 1];
        }
        for (int i = whole; i < n; i++) {
            sum += (double) values[i] * values[i];
        }
        return sum;
    }

    @Test
    void sumsAreChainsAndWhatIsLeft() {
        SplittableRandom random = new SplittableRandom(1);
        for (int n = 0; n < 300; n++) {
            float[] x = new float[n + 5];
            float[] y = new float[n + 5];
            float[] differences = new float[n];
            for (int i = 0; i < x.length; i++) {
                x[i] = (float) (random.nextGaussian() * Math.exp(8 * random.nextDouble()));
                y[i] = x[i] + (float) random.nextGaussian();
            }
            for (int i = 0; i < n; i++) {
                differences[i] = x[i] - y[i];
            }
            assertEquals(squares(differences, n, 8), ErrorSums.squaredErrors(x, y, n), 0, "errors of " + n);
            assertEquals(squares(x, n, 4), ErrorSums.squares(x, n), 0, "squares of " + n);
        }
    }

    @Test
    void whatIsNotFiniteShows() {
        assertFalse(Double.isFinite(ErrorSums.squaredErrors(new float[] {1, Float.NaN}, new float[] {1, 1}, 2)));
        assertFalse(Double.isFinite(ErrorSums.squares(new float[] {1, 2, 3, Float.POSITIVE_INFINITY}, 4)));
    }
}
