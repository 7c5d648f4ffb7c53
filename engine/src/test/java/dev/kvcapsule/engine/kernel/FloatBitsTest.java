package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.function.Consumer;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FloatBitsTest {
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void valuesOfTheFormatAreTheirOwnNeighboursOnBothSides(ElementType type) {
        forEachFinite(type, code -> {
            float value = FloatBits.from16(type, (short) (int) code);
            check(type, value, value, FloatBits.down16(type, value));
            check(type, value, value, FloatBits.nearest16(type, value));
            if (value >= 0) {
                check(type, value, value, FloatBits.up16(type, value + 0f));
            }
        });
    }

    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void valueBetweenNeighboursGoesDownToTheLowerAndUpToTheUpperOne(ElementType type) {
        int largest = type == ElementType.F16 ? 0x7bff : 0x7f7f;
        forEachFinite(type, code -> {
            if ((code & 0x7fff) == largest) {
                return;
            }
            float one = FloatBits.from16(type, (short) (int) code);
            float next = FloatBits.from16(type, (short) (code + 1));
            float low = Math.min(one, next);
            float high = Math.max(one, next);
            for (float value : new float[] {Math.nextUp(low), (low + high) / 2, Math.nextDown(high)}) {
                if (value > low && value < high) {
                    check(type, value, low, FloatBits.down16(type, value));
                    if (value > 0) {
                        check(type, value, high, FloatBits.up16(type, value));
                    }
                }
            }
        });
    }

    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void valuesBeyondTheFormatBecomeItsLargest(ElementType type) {
        float largest = FloatBits.from16(type, (short) (type == ElementType.F16 ? 0x7bff : 0x7f7f));
        for (float value : new float[] {Math.nextUp(largest), largest * 1.001f, Float.MAX_VALUE}) {
            check(type, value, largest, FloatBits.down16(type, value));
            check(type, value, largest, FloatBits.up16(type, value));
            check(type, value, largest, FloatBits.nearest16(type, value));
            check(type, -value, -largest, FloatBits.down16(type, -value));
            check(type, -value, -largest, FloatBits.nearest16(type, -value));
        }
    }

    @Property
    void downIsNotAboveAndNearestIsNotFurther(@ForAll ElementType type, @ForAll float value) {
        float inRange = type == ElementType.F16 ? (float) Math.scalb(1.0, -10) * (value % 1e7f) : value * 0.5f;
        if (type != ElementType.F32) {
            float down = FloatBits.from16(type, FloatBits.down16(type, inRange));
            float nearest = FloatBits.from16(type, FloatBits.nearest16(type, inRange));
            assertEquals(Math.min(down, inRange), down, "down of " + inRange);
            assertEquals(Math.max(Math.abs(nearest - (double) inRange), inRange - (double) down), inRange - (double) down, "nearest of " + inRange);
        }
    }

    private static void forEachFinite(ElementType type, Consumer<Integer> action) {
        int infinity = type == ElementType.F16 ? 0x7c00 : 0x7f80;
        for (int code = 0; code < infinity; code++) {
            action.accept(code);
            action.accept(code | 0x8000);
        }
    }

    private static void check(ElementType type, float value, float expected, short bits) {
        if (FloatBits.from16(type, bits) != expected) {
            throw new AssertionError("%s %s: expected %s, got %s".formatted(type, value, expected, FloatBits.from16(type, bits)));
        }
    }
}
