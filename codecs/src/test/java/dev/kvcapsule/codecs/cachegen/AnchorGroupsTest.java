package dev.kvcapsule.codecs.cachegen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.golden.GoldenCases;
import dev.kvcapsule.codecs.golden.GoldenCases.Case;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AnchorGroupsTest {
    static Stream<Case> golden() {
        return GoldenCases.of("cachegen");
    }

    @ParameterizedTest
    @MethodSource("golden")
    void anchorsAndDifferencesAgreeWithTheGoldenVectors(Case c) {
        int tokens = c.number("tokens");
        int width = c.number("width");
        AnchorGroups groups = new AnchorGroups(tokens, width, c.number("group"), c.element("step"));
        long elements = (long) tokens * width;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = arena.allocate(4 * elements);
            Kernels.scalar().convert().toF32(c.element("element"), c.input(arena), 0, rows, 0, elements);
            MemorySegment anchorSteps = arena.allocate(groups.stepBytes());
            MemorySegment anchors = arena.allocate(groups.anchorBytes());
            MemorySegment deltaSteps = arena.allocate(groups.stepBytes());
            MemorySegment deltas = arena.allocate(groups.deltaBytes());
            boolean kept = groups.quantize(rows, Float.parseFloat(c.text("bin")), anchorSteps, anchors, deltaSteps, deltas);
            assertEquals(c.number("refused") == 0, kept);
            if (!kept) {
                return;
            }
            c.check("asteps", anchorSteps, "AnchorGroups");
            c.check("acodes", anchors, "AnchorGroups");
            c.check("dsteps", deltaSteps, "AnchorGroups");
            c.check("dcodes", deltas, "AnchorGroups");
            assertTrue(groups.dequantize(anchorSteps, anchors, deltaSteps, deltas, rows));
            MemorySegment decoded = arena.allocate(elements * c.element("element").bytes());
            Kernels.scalar().convert().fromF32(c.element("element"), rows, 0, decoded, 0, elements);
            c.check("decoded", decoded, "AnchorGroups");
        }
    }

    @Test
    void stepsThatAreNotNumbersAreRefused() {
        AnchorGroups groups = new AnchorGroups(3, 1, 2, ElementType.F16);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment good = arena.allocate(2);
            MemorySegment bad = arena.allocate(2);
            bad.set(ValueLayout.JAVA_SHORT, 0, (short) 0x7C00);
            MemorySegment codes = arena.allocate(2);
            MemorySegment rows = arena.allocate(12);
            assertFalse(groups.dequantize(bad, codes, good, codes, rows));
            assertFalse(groups.dequantize(good, codes, bad, codes, rows));
        }
    }

    @Test
    void binsWidenWithTheLayerAndTheLevel() {
        CacheGenCodec codec = (CacheGenCodec) Codecs.create("cachegen");
        CacheGenCodec fitted = new CacheGenCodec(codec.spec(), codec.level(), codec.group(), false, 30);
        assertEquals(0.5f, fitted.bin(0));
        assertEquals(0.5f, fitted.bin(9));
        assertEquals(1, fitted.bin(10));
        assertEquals(1.5f, fitted.bin(29));
        assertEquals(0.375f, new CacheGenCodec(codec.spec(), 1, codec.group(), false, 30).bin(29));
    }
}
