package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class Fp8Test {
    @Test
    void everyCodeHasTheValueOfItsSignExponentAndMantissa() {
        for (int code = 0; code < 256; code++) {
            int exponent = code >> 3 & 15;
            double magnitude = exponent == 0 ? (code & 7) / 8.0 * 0x1p-6 : (1 + (code & 7) / 8.0) * Math.pow(2, exponent - 7);
            double expected = (code & 0x7f) == 0x7f ? Double.NaN : code < 128 ? magnitude : -magnitude;
            assertEquals((float) expected, Fp8.toFloat((byte) code), "code " + code);
        }
        assertEquals(448, Fp8.toFloat((byte) 0x7e));
        assertEquals(Fp8.MAX, Fp8.toFloat((byte) 0x7e));
        assertEquals(0x1p-9f, Fp8.toFloat((byte) 1));
    }

    @Test
    void everyCodeIsTheCodeOfItsValue() {
        for (int code = 0; code < 256; code++) {
            byte expected = (byte) ((code & 0x7f) == 0x7f ? 0x7f : code);
            assertEquals(expected, Fp8.ofFloat(Fp8.toFloat((byte) code)));
        }
    }

    @Test
    void everyF16ValueGetsTheNearestCode() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            checkNearest(Float.float16ToFloat((short) bits));
        }
    }

    @Test
    void roundingChangesExactlyHalfwayBetweenNeighbours() {
        for (int code = 0; code < 0x7e; code++) {
            float half = (Fp8.toFloat((byte) code) + Fp8.toFloat((byte) (code + 1))) / 2;
            int even = code + (code & 1);
            assertEquals(code, Fp8.ofFloat(Math.nextDown(half)));
            assertEquals(even, Fp8.ofFloat(half));
            assertEquals(code + 1, Fp8.ofFloat(Math.nextUp(half)));
            assertEquals((byte) (even | 0x80), Fp8.ofFloat(-half));
        }
    }

    @Property
    void anyFloatGetsTheNearestCode(@ForAll float value) {
        checkNearest(value);
    }

    @Property
    void anyBitPatternGetsTheNearestCode(@ForAll int bits) {
        checkNearest(Float.intBitsToFloat(bits));
    }

    /** Against all 256 codes. */
    private static void checkNearest(float value) {
        byte got = Fp8.ofFloat(value);
        if (Float.isNaN(value)) {
            assertTrue(Float.isNaN(Fp8.toFloat(got)));
            return;
        }
        double clamped = Math.clamp(value, -448.0, 448.0);
        double best = Double.POSITIVE_INFINITY;
        int nearest = -1;
        for (int code = 0; code < 256; code++) {
            double distance = Math.abs(Fp8.toFloat((byte) code) - clamped);
            boolean sameSign = code < 128 == Float.floatToRawIntBits(value) >= 0;
            if (sameSign && (distance < best || distance == best && code % 2 == 0)) {
                best = distance;
                nearest = code;
            }
        }
        if ((byte) nearest != got) {
            throw new AssertionError("%s became %02x, nearest is %02x".formatted(value, got, nearest));
        }
    }
}
