package dev.kvcapsule.codecs.fp8;

import dev.kvcapsule.engine.kernel.MxBlocks;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.golden.GoldenCases;
import dev.kvcapsule.codecs.golden.GoldenCases.Case;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MxBlocksTest {
    static Stream<Case> golden() {
        return GoldenCases.of("fp8");
    }

    @ParameterizedTest
    @MethodSource("golden")
    void scaledBlocksAgreeWithTheGoldenVectors(Case c) {
        int tokens = c.number("tokens");
        int width = c.number("width");
        long elements = (long) tokens * width;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(4 * elements);
            Kernels.scalar().convert().toF32(c.element("element"), c.input(arena), 0, floats, 0, elements);
            MemorySegment scales = arena.allocate(MxBlocks.scales(tokens, width));
            MemorySegment codes = arena.allocate(elements);
            assertTrue(MxBlocks.quantize(floats, tokens, width, scales, codes));
            c.check("scales", scales, "MxBlocks");
            c.check("codes", codes, "MxBlocks");
            MemorySegment back = arena.allocate(4 * elements);
            assertTrue(MxBlocks.dequantize(scales, codes, tokens, width, back));
            MemorySegment decoded = arena.allocate(elements * c.element("element").bytes());
            Kernels.scalar().convert().fromF32(c.element("element"), back, 0, decoded, 0, elements);
            c.check("decoded", decoded, "MxBlocks");
        }
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void valuesThatAreNotFiniteAreNotCarried(float bad) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(4 * 40);
            floats.setAtIndex(ValueLayout.JAVA_FLOAT, 39, bad);
            assertFalse(MxBlocks.quantize(floats, 1, 40, arena.allocate(2), arena.allocate(40)));
        }
    }

    @Test
    void scalesAndElementsThatAreNotNumbersAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment scales = arena.allocate(2);
            MemorySegment codes = arena.allocate(40);
            MemorySegment floats = arena.allocate(4 * 40);
            assertTrue(MxBlocks.dequantize(scales, codes, 1, 40, floats));
            scales.set(ValueLayout.JAVA_BYTE, 1, (byte) 255);
            assertFalse(MxBlocks.dequantize(scales, codes, 1, 40, floats));
            scales.set(ValueLayout.JAVA_BYTE, 1, (byte) 254);
            codes.set(ValueLayout.JAVA_BYTE, 39, (byte) 0x7f);
            assertFalse(MxBlocks.dequantize(scales, codes, 1, 40, floats));
            codes.set(ValueLayout.JAVA_BYTE, 39, (byte) 0xff);
            assertFalse(MxBlocks.dequantize(scales, codes, 1, 40, floats));
        }
    }

    @Test
    void aRowsLastBlockMayBeShort() {
        assertEquals(0, MxBlocks.scales(0, 32));
        assertEquals(3, MxBlocks.scales(3, 1));
        assertEquals(6, MxBlocks.scales(3, 33));
        assertEquals(6, MxBlocks.scales(3, 64));
    }
}
