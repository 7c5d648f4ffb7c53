package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.kernel.Parity.Outputs;
import dev.kvcapsule.engine.kernel.Parity.Room;
import dev.kvcapsule.engine.kernel.QuantShape.Grouping;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(AvailableWidth.class)
class QuantKernelTest {
    private static final int[] BITS = {2, 3, 4, 8};
    private static final int[] GROUPS = {32, 64, 128};
    /** Tokens and channels. */
    private static final int[][] SIZES = {{1, 1}, {3, 7}, {33, 65}, {64, 192}, {100, 128}, {129, 96}, {5, 320}, {0, 64}, {31, 200}};

    private static Stream<Arguments> codings() {
        return Stream.of(Grouping.values()).flatMap(grouping -> Stream.of(2, 3, 4, 8).map(bits -> Arguments.of(grouping, bits)));
    }

    /** One slice encoded and decoded by both providers, whose bytes are the same. */
    private record Slice(QuantShape shape, MemorySegment rows, int skew, Outputs outputs) {
        static Slice code(Arena arena, QuantShape shape, Fill fill, int skew, SplittableRandom random) {
            return code(arena, shape, fill.rows(arena, shape.rows(), (long) shape.tokens() * shape.channels(), skew, random), skew, fill.name());
        }

        static Slice code(Arena arena, QuantShape shape, MemorySegment rows, int skew, String what) {
            int gap = skew * 7 % 64;
            Outputs outputs = Parity.same(arena, shape + " " + what, (kernels, out) -> {
                Room codes = out.room("codes", shape.codeBytes(), gap);
                Room zeros = out.room("zeros", 2 * shape.parameters(), gap + 1);
                Room steps = out.room("steps", 2 * shape.parameters(), gap + 3);
                Room decoded = out.room("decoded", shape.rowBytes(), skew);
                long refused = kernels.quant().quantize(
                        shape, rows, skew, codes.memory(), codes.offset(), zeros.memory(), zeros.offset(), steps.memory(), steps.offset());
                kernels.quant().dequantize(shape, codes.memory(), codes.offset(), zeros.memory(), zeros.offset(), steps.memory(), steps.offset(),
                        decoded.memory(), decoded.offset());
                return refused;
            });
            return new Slice(shape, rows, skew, outputs);
        }

        private long group(int token, int channel) {
            return shape.grouping() == Grouping.TOKENS
                    ? (long) (token / shape.group()) * shape.channels() + channel
                    : (long) token * shape.groups() + channel / shape.group();
        }

        float value(int token, int channel) {
            return Fill.get(shape.rows(), rows, skew, (long) token * shape.channels() + channel);
        }

        float decoded(int token, int channel) {
            return Fill.get(shape.rows(), outputs.get(3).slice(), 0, (long) token * shape.channels() + channel);
        }

        float zero(int token, int channel) {
            return Fill.get(shape.parameter(), outputs.get(1).slice(), 0, group(token, channel));
        }

        float step(int token, int channel) {
            return Fill.get(shape.parameter(), outputs.get(2).slice(), 0, group(token, channel));
        }

        int code(int token, int channel) {
            return Codes.get(shape.bits(), outputs.get(0).slice(), token * Codes.rowBytes(shape.bits(), shape.channels()), channel);
        }
    }

    @ParameterizedTest
    @MethodSource("codings")
    void bothProvidersQuantizeAndRestoreAlike(Grouping grouping, int bits) {
        SplittableRandom random = new SplittableRandom(bits);
        int n = bits;
        for (int group : GROUPS) {
            for (int[] size : SIZES) {
                for (ElementType type : ElementType.values()) {
                    Fill fill = Fill.values()[n++ % Fill.values().length];
                    ElementType parameter = n % 4 == 0 ? type == ElementType.F16 ? ElementType.BF16 : ElementType.F16 : type.parameterType();
                    try (Arena arena = Arena.ofConfined()) {
                        Slice.code(arena, new QuantShape(grouping, bits, group, type, parameter, size[0], size[1]), fill, n % 64, random);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("codings")
    void bothProvidersRestoreAlikeWhateverTheCodes(Grouping grouping, int bits) {
        SplittableRandom random = new SplittableRandom(bits);
        int n = 0;
        for (int group : GROUPS) {
            for (int[] size : SIZES) {
                ElementType type = ElementType.values()[n++ % 3];
                ElementType parameter = n % 2 == 0 ? ElementType.F16 : ElementType.BF16;
                QuantShape shape = new QuantShape(grouping, bits, group, type, parameter, size[0], size[1]);
                try (Arena arena = Arena.ofConfined()) {
                    int skew = random.nextInt(64);
                    MemorySegment codes = arena.allocate(shape.codeBytes() + skew);
                    MemorySegment zeros = arena.allocate(2 * shape.parameters() + 1);
                    MemorySegment steps = arena.allocate(2 * shape.parameters() + 5);
                    Codes.randomBytes(codes, random);
                    Codes.randomFinite(parameter, zeros.asSlice(1), random);
                    Codes.randomFinite(parameter, steps.asSlice(5), random);
                    Parity.same(arena, shape + " of noise", (kernels, outputs) -> {
                        Room rows = outputs.room("rows", shape.rowBytes(), skew);
                        kernels.quant().dequantize(shape, codes, skew, zeros, 1, steps, 5, rows.memory(), rows.offset());
                        return null;
                    });
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("codings")
    void decodedValueIsWithinHalfAStep(Grouping grouping, int bits) {
        SplittableRandom random = new SplittableRandom(11 * bits);
        for (Fill fill : new Fill[] {Fill.NORMAL, Fill.OUTLIERS, Fill.SUBNORMAL, Fill.TINY_SPREAD, Fill.EQUAL, Fill.SIGNED_ZEROS}) {
            for (ElementType type : ElementType.values()) {
                for (int[] size : new int[][] {{64, 192}, {45, 70}}) {
                    QuantShape shape = new QuantShape(grouping, bits, 32, type, type.parameterType(), size[0], size[1]);
                    try (Arena arena = Arena.ofConfined()) {
                        Slice slice = Slice.code(arena, shape, fill, 9, random);
                        for (int t = 0; t < shape.tokens(); t++) {
                            for (int c = 0; c < shape.channels(); c++) {
                                double value = slice.value(t, c);
                                double got = slice.decoded(t, c);
                                double step = slice.step(t, c);
                                // A hair for differences and products in binary32, then what the row's format cannot hold.
                                double bound = step / 2 + (step + Math.abs(value) + Math.abs(slice.zero(t, c))) * 0x1p-21 + Fill.rounding(type, got);
                                if (Math.abs(value - got) > bound) {
                                    throw new AssertionError(shape + " " + fill + ": " + value + " became " + got + ", step " + step);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("codings")
    void storedNumbersAreThoseOfTheFormat(Grouping grouping, int bits) {
        SplittableRandom random = new SplittableRandom(13 * bits);
        for (ElementType type : ElementType.values()) {
            QuantShape shape = new QuantShape(grouping, bits, 32, type, type.parameterType(), 40, 72);
            try (Arena arena = Arena.ofConfined()) {
                Slice slice = Slice.code(arena, shape, Fill.OUTLIERS, 3, random);
                for (int t = 0; t < shape.tokens(); t++) {
                    for (int c = 0; c < shape.channels(); c++) {
                        float zero = slice.zero(t, c);
                        float step = slice.step(t, c);
                        int code = slice.code(t, c);
                        double exact = ((double) slice.value(t, c) - zero) / step;
                        assertEquals(exact, code, 0.5 + exact * 0x1p-20, shape + " code");
                        float decoded = zero + step * code;
                        float rounded = switch (type) {
                            case F16 -> Float.float16ToFloat(Float.floatToFloat16(decoded));
                            case BF16 -> FloatBits.fromBf16(FloatBits.toBf16(decoded));
                            case F32 -> decoded;
                        };
                        assertEquals(rounded, slice.decoded(t, c), shape + " decoded");
                    }
                    for (int c = shape.channels(); c < 128; c++) {
                        assertEquals(0, slice.code(t, c), "padding");
                    }
                }
                checkParameters(slice);
            }
        }
    }

    /** The zero point is the largest 16-bit value not above the minimum; the step the smallest that reaches the maximum. */
    private static void checkParameters(Slice slice) {
        QuantShape shape = slice.shape();
        boolean keys = shape.grouping() == Grouping.TOKENS;
        for (int t = 0; t < shape.tokens(); t += keys ? shape.group() : 1) {
            for (int c = 0; c < shape.channels(); c += keys ? 1 : shape.group()) {
                float min = Float.POSITIVE_INFINITY;
                float max = Float.NEGATIVE_INFINITY;
                for (int i = 0; i < shape.group(); i++) {
                    int token = keys ? t + i : t;
                    int channel = keys ? c : c + i;
                    if (token < shape.tokens() && channel < shape.channels()) {
                        min = Math.min(min, slice.value(token, channel));
                        max = Math.max(max, slice.value(token, channel));
                    }
                }
                float zero = slice.zero(t, c);
                float step = slice.step(t, c);
                assertTrue(zero <= min && neighbour(shape.parameter(), zero, true) > min, shape + ": zero point " + zero + ", minimum " + min);
                double exact = ((double) max - zero) / shape.levels();
                assertTrue(step >= exact * (1 - 0x1p-22) && neighbour(shape.parameter(), step, false) < exact * (1 + 0x1p-22),
                        shape + ": step " + step + " for " + exact);
            }
        }
    }

    private static float neighbour(ElementType type, float value, boolean up) {
        int mantissa = type == ElementType.F16 ? 10 : 7;
        int least = type == ElementType.F16 ? -14 : -126;
        double away = value == 0 || value < 0 != up ? 1 : -1;
        // Towards zero a power of two has its neighbour at half the distance.
        int exponent = Math.max(least, Math.getExponent(away > 0 ? value : Math.nextAfter(value, 0)));
        return (float) (value + (up ? 1 : -1) * Math.scalb(1.0, exponent - mantissa));
    }

    @ParameterizedTest
    @EnumSource
    void equalValuesThatTheFormatHoldsComeBackExactly(Grouping grouping) {
        for (int bits : BITS) {
            try (Arena arena = Arena.ofConfined()) {
                QuantShape shape = new QuantShape(grouping, bits, 64, ElementType.F16, ElementType.F16, 70, 130);
                Slice slice = Slice.code(arena, shape, Fill.EQUAL, 1, new SplittableRandom(1));
                assertEquals(-1, slice.rows().asSlice(1).mismatch(slice.outputs().get(3).slice()));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void groupThatCannotBeRepresentedIsCountedAndWrittenAsZeros(Grouping grouping) {
        for (float culprit : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, -1e6f}) {
            for (int channels : new int[] {64, 70}) {
                try (Arena arena = Arena.ofConfined()) {
                    QuantShape shape = new QuantShape(grouping, 4, 32, ElementType.F32, ElementType.F16, 40, channels);
                    MemorySegment rows = Fill.NORMAL.rows(arena, ElementType.F32, 40L * channels, 0, new SplittableRandom(2));
                    rows.setAtIndex(Bounds.FLOAT, 33L * channels + 5, culprit);
                    rows.setAtIndex(Bounds.FLOAT, 2L * channels + 60, culprit);
                    Slice slice = Slice.code(arena, shape, rows, 0, "with " + culprit);
                    assertEquals(2, refused(slice, Parity.other()), culprit + " among " + channels + " channels");
                    assertEquals(2, refused(slice, Kernels.scalar()));
                    assertEquals(0, slice.zero(33, 5));
                    assertEquals(0, slice.step(33, 5));
                    assertEquals(0, slice.code(33, 5));
                    assertTrue(slice.step(33, 40) > 0, "a group beside it");
                }
            }
        }
    }

    private static long refused(Slice slice, Kernels kernels) {
        Outputs out = slice.outputs();
        return kernels.quant().quantize(slice.shape(), slice.rows(), slice.skew(), out.get(0).slice(), 0, out.get(1).slice(), 0, out.get(2).slice(), 0);
    }

    @ParameterizedTest
    @EnumSource
    void groupWhoseDecodedMaximumWouldOverflowIsCounted(Grouping grouping) {
        try (Arena arena = Arena.ofConfined()) {
            QuantShape shape = new QuantShape(grouping, 2, 32, ElementType.F32, ElementType.F16, 32, 64);
            MemorySegment rows = Fill.NORMAL.rows(arena, ElementType.F32, 32 * 64, 0, new SplittableRandom(2));
            rows.setAtIndex(Bounds.FLOAT, 0, 70_000);
            assertEquals(1, refused(Slice.code(arena, shape, rows, 0, "with 70000"), Parity.other()));
            // The maximum fits, but a step rounded up three times does not.
            rows.setAtIndex(Bounds.FLOAT, 0, 65_504);
            rows.setAtIndex(Bounds.FLOAT, grouping == Grouping.TOKENS ? 64 : 1, -65_504);
            assertEquals(1, refused(Slice.code(arena, shape, rows, 0, "with 65504"), Parity.other()));
            rows.setAtIndex(Bounds.FLOAT, 0, 65_000);
            assertEquals(0, refused(Slice.code(arena, shape, rows, 0, "with 65000"), Parity.other()));
        }
    }

    @Test
    void parameterThatIsNotFiniteIsRefused() {
        try (Arena arena = Arena.ofConfined()) {
            for (ElementType parameter : new ElementType[] {ElementType.F16, ElementType.BF16}) {
                QuantShape shape = new QuantShape(Grouping.TOKENS, 4, 32, ElementType.F16, parameter, 40, 64);
                MemorySegment codes = arena.allocate(shape.codeBytes());
                MemorySegment good = arena.allocate(2 * shape.parameters());
                MemorySegment rows = arena.allocate(shape.rowBytes());
                for (long i = 0; i < shape.parameters(); i += 9) {
                    MemorySegment bad = arena.allocate(good.byteSize());
                    bad.setAtIndex(Bounds.SHORT, i, (short) (parameter == ElementType.F16 ? 0xfc00 : 0x7f81));
                    Parity.bothRefuse(IllegalArgumentException.class, "a zero point", k -> k.quant().dequantize(shape, codes, 0, bad, 0, good, 0, rows, 0));
                    Parity.bothRefuse(IllegalArgumentException.class, "a step", k -> k.quant().dequantize(shape, codes, 0, good, 0, bad, 0, rows, 0));
                }
            }
        }
    }

    @Test
    void segmentsThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            QuantShape shape = new QuantShape(Grouping.CHANNELS, 3, 64, ElementType.F16, ElementType.F16, 10, 100);
            MemorySegment[] enough = {
                arena.allocate(shape.rowBytes()), arena.allocate(shape.codeBytes()), arena.allocate(2 * shape.parameters()), arena.allocate(2 * shape.parameters())
            };
            for (int i = 0; i < enough.length; i++) {
                MemorySegment[] tooShort = enough.clone();
                tooShort[i] = enough[i].asSlice(1);
                Parity.bothRefuse(IndexOutOfBoundsException.class, "short segment " + i, k -> quantize(k, shape, tooShort));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "short segment " + i, k -> dequantize(k, shape, tooShort));
                MemorySegment[] onHeap = enough.clone();
                onHeap[i] = MemorySegment.ofArray(new byte[(int) enough[i].byteSize()]);
                Parity.bothRefuse(IllegalArgumentException.class, "heap segment " + i, k -> quantize(k, shape, onHeap));
                Parity.bothRefuse(IllegalArgumentException.class, "heap segment " + i, k -> dequantize(k, shape, onHeap));
                MemorySegment[] readOnly = enough.clone();
                readOnly[i] = enough[i].asReadOnly();
                if (i > 0) {
                    Parity.bothRefuse(IllegalArgumentException.class, "read-only output " + i, k -> quantize(k, shape, readOnly));
                } else {
                    Parity.bothRefuse(IllegalArgumentException.class, "read-only rows", k -> dequantize(k, shape, readOnly));
                }
            }
        }
    }

    private static void quantize(Kernels kernels, QuantShape shape, MemorySegment[] s) {
        kernels.quant().quantize(shape, s[0], 0, s[1], 0, s[2], 0, s[3], 0);
    }

    private static void dequantize(Kernels kernels, QuantShape shape, MemorySegment[] s) {
        kernels.quant().dequantize(shape, s[1], 0, s[2], 0, s[3], 0, s[0], 0);
    }

    @Test
    void impossibleShapesAreRefused() {
        ElementType f16 = ElementType.F16;
        assertThrows(IllegalArgumentException.class, () -> new QuantShape(Grouping.TOKENS, 5, 32, f16, f16, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new QuantShape(Grouping.TOKENS, 4, 16, f16, f16, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new QuantShape(Grouping.TOKENS, 4, 32, f16, ElementType.F32, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new QuantShape(Grouping.TOKENS, 4, 32, f16, f16, -1, 1));
        assertThrows(IllegalArgumentException.class, () -> new QuantShape(Grouping.TOKENS, 4, 32, f16, f16, 1, 0));
    }
}
