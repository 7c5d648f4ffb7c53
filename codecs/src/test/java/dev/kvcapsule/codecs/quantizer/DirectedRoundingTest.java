package dev.kvcapsule.codecs.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.kernel.ElementType;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DirectedRoundingTest {
    @ParameterizedTest
    @EnumSource(value = ElementType.class, names = {"F16", "BF16"})
    void resultsAreTheNearestOnTheirSide(ElementType type) {
        Random random = new Random(5);
        for (int i = 0; i < 200_000; i++) {
            float x = Float.intBitsToFloat(random.nextInt());
            if (i % 2 == 0) {
                x = (float) (random.nextGaussian() * Math.scalb(1.0, random.nextInt(40) - 26));
            }
            if (!Float.isFinite(x)) {
                continue;
            }
            float up = DirectedRounding.value(DirectedRounding.up(x, type), type);
            float down = DirectedRounding.value(DirectedRounding.down(x, type), type);
            assertTrue(down <= x && x <= up, x + " " + down + " " + up);
            // Nothing lies between: they are one value, or neighbours.
            if (down != up) {
                int steps = order(DirectedRounding.up(x, type)) - order(DirectedRounding.down(x, type));
                assertEquals(1, steps, "steps from " + down + " to " + up);
            } else {
                assertEquals(x, up);
            }
        }
    }

    /** Bits as numbers that rise by one from value to value, both zeros being 0. */
    private static int order(short bits) {
        int magnitude = bits & 0x7FFF;
        return bits < 0 ? -magnitude : magnitude;
    }

    @org.junit.jupiter.api.Test
    void signedCodesComeBack() {
        for (int code = -128; code <= 127; code++) {
            assertEquals(code, SignedCodes.unfold(SignedCodes.fold(code)));
        }
        assertEquals(3, SignedCodes.fold(-2));
    }
}
