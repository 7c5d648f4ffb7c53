package dev.kvcapsule.codecs.svd;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.golden.GoldenCases;
import dev.kvcapsule.codecs.golden.GoldenCases.Case;
import dev.kvcapsule.codecs.principal.CenteredBasis;
import dev.kvcapsule.codecs.principal.ComponentQuantizer;
import dev.kvcapsule.engine.kernel.ElementType;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TokenFactorTest {
    static Stream<Case> golden() {
        return GoldenCases.of("svd");
    }

    private static MemorySegment floats(Case c, String input, int rows, ElementType element, Arena arena) {
        Map<String, String> fields = new HashMap<>(c.fields());
        fields.putAll(Map.of("input", input, "tokens", Integer.toString(rows), "element", element.name().toLowerCase(java.util.Locale.ROOT)));
        long elements = (long) rows * c.number("width");
        MemorySegment floats = arena.allocate(4 * elements);
        Kernels.scalar().convert().toF32(element, new Case(fields).input(arena), 0, floats, 0, elements);
        return floats;
    }

    @ParameterizedTest
    @MethodSource("golden")
    void bothFactorsAgreeWithTheGoldenVectors(Case c) {
        int tokens = c.number("tokens");
        int width = c.number("width");
        int rank = c.number("rank");
        for (Kernels kernels : GoldenCases.kernels()) {
            try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
                MemorySegment vectors = floats(c, c.text("vectors"), rank, ElementType.F16, arena);
                for (int i = 0; i < rank * width; i++) {
                    vectors.setAtIndex(ValueLayout.JAVA_FLOAT, i, vectors.getAtIndex(ValueLayout.JAVA_FLOAT, i) / 16);
                }
                TransformBasis components = ComponentQuantizer.quantize(vectors, rank, width, arena);
                c.check("bcodes", components.codes(), kernels.name());
                c.check("bscales", components.scales(), kernels.name());
                float[] mean = floats(c, c.text("input"), rank, ElementType.F16, arena).asSlice(4L * (rank - 1) * width).toArray(ValueLayout.JAVA_FLOAT);
                CenteredBasis basis = new CenteredBasis(mean, components);
                MemorySegment rows = floats(c, c.text("input"), tokens, c.element("element"), arena);
                TokenFactor factor = new TokenFactor(tokens, rank, c.number("bits"));
                MemorySegment coefficients = arena.allocate(4 * factor.codeBytes());
                basis.project(kernels, rows, tokens, rank, coefficients, scratch);
                MemorySegment scales = arena.allocate(2L * tokens);
                MemorySegment codes = arena.allocate(factor.codeBytes());
                assertTrue(factor.quantize(coefficients, scales, codes));
                c.check("scales", scales, kernels.name());
                c.check("codes", codes, kernels.name());
                assertTrue(factor.dequantize(scales, codes, coefficients));
                basis.restore(kernels, coefficients, tokens, rank, rows, scratch);
                MemorySegment decoded = arena.allocate((long) tokens * width * c.element("element").bytes());
                kernels.convert().fromF32(c.element("element"), rows, 0, decoded, 0, (long) tokens * width);
                c.check("decoded", decoded, kernels.name());
            }
        }
    }
}
