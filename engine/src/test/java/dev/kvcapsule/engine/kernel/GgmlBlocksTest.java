package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.cache.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.junit.jupiter.params.provider.MethodSource;

class GgmlBlocksTest {
    private static final int[] IQ4_NL = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    /** A block, its values and its bytes, from the layouts in ggml-common.h; the scale is 1 but for one case. */
    private static Stream<Arguments> knownBlocks() {
        String ramp = "00112233445566778899aabbccddeeff";
        return Stream.of(
                known(DType.Q4_0, j -> j % 16 - 8, "003c" + ramp),
                known(DType.Q4_1, j -> j % 16 + 0.5, "003c" + "0038" + ramp),
                known(DType.Q5_0, j -> j - 16, "003c" + "0000ffff" + ramp),
                known(DType.Q5_1, j -> 2 * j - 3, "0040" + "00c2" + "0000ffff" + ramp),
                known(DType.IQ4_NL, j -> IQ4_NL[j % 16], "003c" + ramp),
                known(DType.Q8_0, j -> 127 - 8 * j, "003c" + "7f776f675f574f473f372f271f170f07fff7efe7dfd7cfc7bfb7afa79f978f87"));
    }

    private static Arguments known(DType type, IntToDoubleFunction values, String hex) {
        float[] floats = new float[32];
        for (int j = 0; j < 32; j++) {
            floats[j] = (float) values.applyAsDouble(j);
        }
        return Arguments.of(type, floats, HexFormat.of().parseHex(hex));
    }

    @ParameterizedTest
    @MethodSource("knownBlocks")
    void knownBlockHasTheValuesOfItsLayout(DType type, float[] values, byte[] block) {
        assertEquals(type.blockBytes(), block.length);
        float[] got = new float[32];
        GgmlBlocks.dequantize(type, MemorySegment.ofArray(block), 0, 32, MemorySegment.ofArray(got), 0);
        assertArrayEquals(values, got);
    }

    @ParameterizedTest
    @MethodSource("knownBlocks")
    void valuesOnTheLevelsGiveTheKnownBlock(DType type, float[] values, byte[] block) {
        byte[] got = new byte[block.length];
        GgmlBlocks.quantize(type, MemorySegment.ofArray(values), 0, 32, MemorySegment.ofArray(got), 0);
        assertEquals(HexFormat.of().formatHex(block), HexFormat.of().formatHex(got));
    }

    @ParameterizedTest
    @EnumSource(mode = Mode.EXCLUDE, names = {"F32", "F16", "BF16", "F8_E4M3"})
    void decodedValueIsTheNearestLevel(DType type) {
        SplittableRandom random = new SplittableRandom(3);
        int elements = 32 * 500;
        float[] values = new float[elements];
        for (int i = 0; i < elements; i++) {
            values[i] = (float) (random.nextGaussian() * Math.scalb(1.0, i / 32 % 12 - 6));
        }
        byte[] blocks = new byte[elements / 32 * type.blockBytes()];
        float[] back = new float[elements];
        GgmlBlocks.quantize(type, MemorySegment.ofArray(values), 0, elements, MemorySegment.ofArray(blocks), 0);
        GgmlBlocks.dequantize(type, MemorySegment.ofArray(blocks), 0, elements, MemorySegment.ofArray(back), 0);
        for (int b = 0; b < elements; b += 32) {
            double[] levels = levels(type, blocks, b / 32 * type.blockBytes());
            for (int i = b; i < b + 32; i++) {
                double best = Double.POSITIVE_INFINITY;
                double largest = 0;
                for (double level : levels) {
                    best = Math.min(best, Math.abs(level - values[i]));
                    largest = Math.max(largest, Math.abs(level));
                }
                // Codes are chosen before scale and minimum are rounded to f16.
                double bound = best + largest * 0x1p-9;
                assertEquals(values[i], back[i], bound, type.label());
            }
        }
    }

    /** Every value that a code of a block can stand for. */
    private static double[] levels(DType type, byte[] blocks, int at) {
        double scale = f16(blocks, at);
        double[] levels = new double[type == DType.Q8_0 ? 255 : type == DType.Q5_0 || type == DType.Q5_1 ? 32 : 16];
        for (int code = 0; code < levels.length; code++) {
            levels[code] = switch (type) {
                case Q8_0 -> scale * (code - 127);
                case Q4_0 -> scale * (code - 8);
                case Q5_0 -> scale * (code - 16);
                case IQ4_NL -> scale * IQ4_NL[code];
                default -> scale * code + f16(blocks, at + 2);
            };
        }
        return levels;
    }

    private static double f16(byte[] bytes, int at) {
        return Float.float16ToFloat((short) (bytes[at] & 0xff | bytes[at + 1] << 8));
    }

    @ParameterizedTest
    @EnumSource(mode = Mode.EXCLUDE, names = {"F32", "F16", "BF16", "F8_E4M3"})
    void blockOfZerosComesBackAsZeros(DType type) {
        byte[] block = new byte[type.blockBytes()];
        float[] back = new float[32];
        GgmlBlocks.quantize(type, MemorySegment.ofArray(new float[32]), 0, 32, MemorySegment.ofArray(block), 0);
        GgmlBlocks.dequantize(type, MemorySegment.ofArray(block), 0, 32, MemorySegment.ofArray(back), 0);
        for (float value : back) {
            assertEquals(0, value, 0.0);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = Mode.EXCLUDE, names = {"F32", "F16", "BF16", "F8_E4M3"})
    void offsetsAreKeptAndNothingElseIsWritten(DType type) {
        int elements = 96;
        int bytes = 3 * type.blockBytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = Fill.NORMAL.rows(arena, ElementType.F32, elements, 5, new SplittableRandom(1));
            MemorySegment plain = arena.allocate(bytes);
            GgmlBlocks.quantize(type, values.asSlice(5), 0, elements, plain, 0);
            MemorySegment blocks = arena.allocate(bytes + 20).fill((byte) 0x5a);
            GgmlBlocks.quantize(type, values, 5, elements, blocks, 7);
            assertEquals(-1, plain.mismatch(blocks.asSlice(7, bytes)));
            checkGuards(blocks, 7, bytes);
            MemorySegment expected = arena.allocate(4 * elements);
            GgmlBlocks.dequantize(type, plain, 0, elements, expected, 0);
            MemorySegment back = arena.allocate(4 * elements + 20).fill((byte) 0x5a);
            GgmlBlocks.dequantize(type, blocks, 7, elements, back, 11);
            assertEquals(-1, expected.mismatch(back.asSlice(11, 4 * elements)));
            checkGuards(back, 11, 4 * elements);
        }
    }

    private static void checkGuards(MemorySegment segment, long from, long bytes) {
        for (long i = 0; i < segment.byteSize(); i++) {
            if (i < from || i >= from + bytes) {
                assertEquals(0x5a, segment.get(ValueLayout.JAVA_BYTE, i), "byte " + i);
            }
        }
    }

    @Test
    void scalarTypesAreRefused() {
        MemorySegment memory = MemorySegment.ofArray(new byte[256]);
        for (DType type : new DType[] {DType.F32, DType.F16, DType.BF16, DType.F8_E4M3}) {
            assertThrows(IllegalArgumentException.class, () -> GgmlBlocks.dequantize(type, memory, 0, 32, memory, 0));
            assertThrows(IllegalArgumentException.class, () -> GgmlBlocks.quantize(type, memory, 0, 32, memory, 0));
        }
    }
}
