package dev.kvcapsule.engine.cache;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RopeTest {
    private static final Rope.Pairing HALVES = Rope.Pairing.HALF_SPLIT;

    @Test
    void frequenciesAreThoseOfThePaper() {
        assertArrayEquals(new double[] {1, 0.1, 0.01, 0.001}, Rope.of(HALVES, 10_000, 8).frequencies(), 1e-15);
    }

    @Test
    void scaleMultipliesAndFactorsDivide() {
        Rope rope = new Rope(HALVES, 100, 4, 0.5, List.of(1.0, 8.0));
        assertArrayEquals(new double[] {0.5, 0.5 * 0.1 / 8}, rope.frequencies(), 1e-16);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
    void basesScalesAndFactorsMustBePositiveNumbers(double bad) {
        assertThrows(IllegalArgumentException.class, () -> Rope.of(HALVES, bad, 64));
        assertThrows(IllegalArgumentException.class, () -> new Rope(HALVES, 10_000, 64, bad, List.of()));
        assertThrows(IllegalArgumentException.class, () -> new Rope(HALVES, 10_000, 4, 1, List.of(1.0, bad)));
    }

    @ParameterizedTest
    @ValueSource(ints = {Integer.MIN_VALUE, -2, 0, 1, 63})
    void dimsMustBeEvenAndAtLeastTwo(int dims) {
        assertThrows(IllegalArgumentException.class, () -> Rope.of(HALVES, 10_000, dims));
    }

    @Test
    void factorsMustBeOnePerPair() {
        assertThrows(IllegalArgumentException.class, () -> new Rope(HALVES, 10_000, 64, 1, Collections.nCopies(31, 1.0)));
        assertThrows(IllegalArgumentException.class, () -> new Rope(HALVES, 10_000, 64, 1, Collections.nCopies(64, 1.0)));
        assertEquals(32, new Rope(HALVES, 10_000, 64, 1, Collections.nCopies(32, 1.0)).frequencies().length);
    }

    @Test
    void pairingsAreReadBack() {
        for (Rope.Pairing pairing : Rope.Pairing.values()) {
            assertEquals(pairing, Rope.Pairing.ofLabel(pairing.label()));
        }
        String message = assertThrows(IllegalArgumentException.class, () -> Rope.Pairing.ofLabel("neox")).getMessage();
        assertEquals("RoPE pairing 'neox' is neither interleaved nor half-split", message);
    }
}
