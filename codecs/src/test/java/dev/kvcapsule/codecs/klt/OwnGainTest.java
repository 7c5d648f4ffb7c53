package dev.kvcapsule.codecs.klt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OwnGainTest {
    /** Against the sum over the integers, each with its share of the density. */
    @ParameterizedTest
    @ValueSource(doubles = {0.02, 0.1, 0.3, 0.5, 0.85, 1, 2, 7, 29, 31, 100})
    void entropyAndErrorAreThoseOfARoundedLaplacian(double deviation) {
        double rate = Math.sqrt(2) / deviation;
        double bits = 0;
        double error = 0;
        int points = 2000;
        for (int n = 0; n < 40 * deviation + 20; n++) {
            double mass = 0;
            for (int i = 0; i < points; i++) {
                double offset = (i + 0.5) / points - 0.5;
                double density = rate / 2 * Math.exp(-rate * Math.abs(n + offset)) / points;
                mass += density;
                error += (n == 0 ? 1 : 2) * density * offset * offset;
            }
            bits -= mass < 1e-300 ? 0 : (n == 0 ? 1 : 2) * mass * Math.log(mass) / Math.log(2);
        }
        assertEquals(bits, OwnGain.bits(deviation), 2e-3 * bits + 2e-4);
        assertEquals(error, OwnGain.error(deviation), 2e-3 * error + 1e-9);
    }

    @Test
    void nothingIsWorthNothing() {
        assertEquals(0, OwnGain.bits(0));
        assertEquals(0, OwnGain.error(0));
        assertEquals(0, OwnGain.components(new double[0], 1, 4096, 11520));
        assertEquals(0, OwnGain.components(new double[] {0, 0}, 1, 4096, 11520));
        assertEquals(0, OwnGain.components(new double[] {0.1, 0.1, 0.1}, 1, 4096, 11520));
        assertEquals(0, OwnGain.components(new double[] {5}, 1, 0, 11520));
    }

    /** What is worth a component depends on how many tokens share it, and on the step. */
    @Test
    void whatPaysForManyTokensDoesNotForFew() {
        double[] falling = new double[100];
        Arrays.setAll(falling, k -> 6.0 / (k + 1));
        int many = OwnGain.components(falling, 1, 8000, 11520);
        int some = OwnGain.components(falling, 1, 1000, 11520);
        int few = OwnGain.components(falling, 1, 100, 11520);
        assertTrue(many > some && some > few, many + ", " + some + ", " + few);
        assertTrue(OwnGain.components(falling, 0.5, 1000, 11520) > some);
        // A single token would be sent as itself.
        assertEquals(0, OwnGain.components(falling, 1, 1, 11520));
    }
}
