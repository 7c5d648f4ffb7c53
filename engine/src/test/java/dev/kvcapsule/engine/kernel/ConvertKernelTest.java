package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.kernel.Parity.Room;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@ExtendWith(AvailableWidth.class)
class ConvertKernelTest {
    private static final int[] COUNTS = {0, 1, 3, 15, 16, 17, 31, 33, 63, 64, 100, 1023, 70_001};
    private static final int CODES = 1 << 16;

    @ParameterizedTest
    @EnumSource
    void bothProvidersConvertAlike(Fill fill) {
        SplittableRandom random = new SplittableRandom(fill.ordinal());
        for (ElementType type : ElementType.values()) {
            for (int count : COUNTS) {
                int skew = random.nextInt(64);
                String what = type + " " + fill + " x " + count + " at " + skew;
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment rows = fill.rows(arena, type, count, skew, random);
                    MemorySegment floats = fill.rows(arena, ElementType.F32, count, 63 - skew, random);
                    Parity.same(arena, what, (kernels, outputs) -> {
                        Room wide = outputs.room("floats", 4L * count, 64 - skew);
                        kernels.convert().toF32(type, rows, skew, wide.memory(), wide.offset(), count);
                        Room narrow = outputs.room("rows", (long) count * type.bytes(), 3);
                        kernels.convert().fromF32(type, floats, 63 - skew, narrow.memory(), narrow.offset(), count);
                        return kernels.convert().allFinite(type, rows, skew, count);
                    });
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void everyCodeWidensToItsExactValue(ElementType type) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(4L * CODES);
            for (Kernels kernels : Parity.providers()) {
                kernels.convert().toF32(type, allCodes(arena), 0, floats, 0, CODES);
                for (int code = 0; code < CODES; code++) {
                    float got = floats.get(Bounds.FLOAT, 4L * code);
                    assertEquals((float) value(type, code), got, () -> type + " widened by " + kernels.name());
                    if (type == ElementType.F16 && got == got) {
                        assertEquals(Float.float16ToFloat((short) code), got);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void wideningAndRoundingIsTheIdentity(ElementType type) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment codes = type == ElementType.F32 ? Fill.HUGE.rows(arena, type, CODES, 0, new SplittableRandom(1)) : allCodes(arena);
            MemorySegment floats = arena.allocate(4L * CODES);
            MemorySegment back = arena.allocate(codes.byteSize());
            for (Kernels kernels : Parity.providers()) {
                kernels.convert().toF32(type, codes, 0, floats, 0, CODES);
                kernels.convert().fromF32(type, floats, 0, back, 0, CODES);
                for (int i = 0; i < CODES; i++) {
                    float value = Fill.get(type, codes, 0, i);
                    float got = Fill.get(type, back, 0, i);
                    assertEquals(Float.floatToIntBits(value), Float.floatToIntBits(got), type + " " + value);
                }
            }
        }
    }

    /** Between any two neighbours the value halfway goes to the even one, those on either side of it to the nearer one. */
    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void roundingChangesExactlyHalfwayBetweenNeighbours(ElementType type) {
        int top = type == ElementType.F16 ? 0x7c00 : 0x7f80;
        int count = 6 * top;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(4L * count);
            short[] expected = new short[count];
            for (int code = 0, at = 0; code < top; code++) {
                // The infinity takes the place of the next power of two.
                double next = code + 1 == top ? Math.scalb(1.0, type == ElementType.F16 ? 16 : 128) : value(type, code + 1);
                float half = (float) ((value(type, code) + next) / 2);
                int even = code % 2 == 0 ? code : code + 1;
                for (int sign = 0; sign <= 0x8000; sign += 0x8000) {
                    float direction = sign == 0 ? 1 : -1;
                    expected[at] = (short) (sign | code);
                    floats.setAtIndex(Bounds.FLOAT, at++, direction * Math.nextDown(half));
                    expected[at] = (short) (sign | even);
                    floats.setAtIndex(Bounds.FLOAT, at++, direction * half);
                    expected[at] = (short) (sign | code + 1);
                    floats.setAtIndex(Bounds.FLOAT, at++, direction * Math.nextUp(half));
                }
            }
            MemorySegment rounded = arena.allocate(2L * count);
            for (Kernels kernels : Parity.providers()) {
                kernels.convert().fromF32(type, floats, 0, rounded, 0, count);
                for (int i = 0; i < count; i++) {
                    short got = rounded.getAtIndex(Bounds.SHORT, i);
                    if (got != expected[i]) {
                        throw new AssertionError("%s rounds %s to %04x, not %04x".formatted(kernels.name(), floats.getAtIndex(Bounds.FLOAT, i), got, expected[i]));
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void nanStaysNan(ElementType type) {
        SplittableRandom random = new SplittableRandom(5);
        int count = 1000;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(4L * count);
            for (int i = 0; i < count; i++) {
                floats.setAtIndex(Bounds.FLOAT, i, Float.intBitsToFloat(random.nextInt() | 0x7f800001));
            }
            MemorySegment rows = arena.allocate((long) count * type.bytes());
            for (Kernels kernels : Parity.providers()) {
                kernels.convert().fromF32(type, floats, 0, rows, 0, count);
                for (int i = 0; i < count; i++) {
                    assertTrue(Float.isNaN(Fill.get(type, rows, 0, i)));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void oneValueThatIsNotFiniteIsFoundWhereverItIs(ElementType type) {
        short high = (short) (type == ElementType.F16 ? 0x7c00 : 0x7f80);
        int count = 150;
        int skew = 5;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = Fill.NORMAL.rows(arena, type, count, skew, new SplittableRandom(3));
            for (Kernels kernels : Parity.providers()) {
                assertTrue(kernels.convert().allFinite(type, rows, skew, count));
                for (int i = 0; i < count; i++) {
                    long at = skew + (long) i * type.bytes() + type.bytes() - 2;
                    short before = rows.get(Bounds.SHORT, at);
                    for (int bits : new int[] {0, 0x8000, 1, 0x8001}) {
                        rows.set(Bounds.SHORT, at, (short) (high | bits));
                        assertFalse(kernels.convert().allFinite(type, rows, skew, count), kernels.name() + " at " + i);
                    }
                    rows.set(Bounds.SHORT, at, before);
                }
            }
        }
    }

    @Test
    void segmentsThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment big = arena.allocate(400);
            MemorySegment heap = MemorySegment.ofArray(new float[100]);
            for (ElementType type : ElementType.values()) {
                int bytes = type.bytes();
                Parity.bothRefuse(IllegalArgumentException.class, "a source on the heap", k -> k.convert().toF32(type, heap, 0, big, 0, 10));
                Parity.bothRefuse(IllegalArgumentException.class, "a target on the heap", k -> k.convert().fromF32(type, big, 0, heap, 0, 10));
                Parity.bothRefuse(IllegalArgumentException.class, "a read-only target", k -> k.convert().toF32(type, big, 0, big.asReadOnly(), 0, 10));
                Parity.bothRefuse(IllegalArgumentException.class, "heap values", k -> k.convert().allFinite(type, heap, 0, 10));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "a short source",
                        k -> k.convert().toF32(type, big.asSlice(0, 40L * bytes - 1), 0, arena.allocate(160), 0, 40));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "a short target",
                        k -> k.convert().fromF32(type, big, 0, arena.allocate(40L * bytes), 1, 40));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "a negative offset", k -> k.convert().allFinite(type, big, -1, 40));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "a negative count", k -> k.convert().toF32(type, big, 0, arena.allocate(4), 0, -1));
            }
        }
    }

    private static MemorySegment allCodes(Arena arena) {
        MemorySegment codes = arena.allocate(2L * CODES);
        for (int code = 0; code < CODES; code++) {
            codes.setAtIndex(Bounds.SHORT, code, (short) code);
        }
        return codes;
    }

    /** Sign, exponent and mantissa put together in double. */
    private static double value(ElementType type, int code) {
        int mantissaBits = type == ElementType.F16 ? 10 : 7;
        int bias = type == ElementType.F16 ? 15 : 127;
        int mantissa = code & (1 << mantissaBits) - 1;
        int exponent = (code & 0x7fff) >> mantissaBits;
        double magnitude;
        if (exponent == 2 * bias + 1) {
            magnitude = mantissa == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
        } else if (exponent == 0) {
            magnitude = Math.scalb((double) mantissa, 1 - bias - mantissaBits);
        } else {
            magnitude = Math.scalb((double) (mantissa + (1 << mantissaBits)), exponent - bias - mantissaBits);
        }
        return code >= 0x8000 ? -magnitude : magnitude;
    }
}
