package dev.kvcapsule.codecs.kvtc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.golden.GoldenCases;
import dev.kvcapsule.codecs.golden.GoldenCases.Case;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GroupCodesTest {
    static Stream<Case> golden() {
        return GoldenCases.of("kvtc");
    }

    @ParameterizedTest
    @MethodSource("golden")
    void groupsAgreeWithTheGoldenVectors(Case c) {
        List<BitAllocation.Group> groups = new ArrayList<>();
        for (String group : c.text("groups").split(",")) {
            String[] pair = group.split(":");
            groups.add(new BitAllocation.Group(Integer.parseInt(pair[0]), GroupType.valueOf(pair[1].toUpperCase(Locale.ROOT))));
        }
        int tokens = c.number("tokens");
        int width = c.number("width");
        GroupCodes codes = new GroupCodes(new BitAllocation(groups), tokens);
        int components = codes.allocation().components();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = arena.allocate(4L * tokens * width);
            Kernels.scalar().convert().toF32(c.element("element"), c.input(arena), 0, rows, 0, (long) tokens * width);
            MemorySegment coefficients = arena.allocate(4L * tokens * components);
            for (int t = 0; t < tokens; t++) {
                MemorySegment.copy(rows, 4L * t * width, coefficients, 4L * t * components, 4L * components);
            }
            // Two bytes in front: nothing hangs on where the codes begin.
            byte[] bytes = new byte[2 + codes.bytes()];
            assertTrue(codes.quantize(coefficients, bytes, 2));
            c.check("bytes", arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes).asSlice(2), "GroupCodes");
            assertEquals(bytes.length - 2, Integer.parseInt(c.text("out.bytes").split(" ")[0]));
            assertTrue(codes.dequantize(bytes, 2, coefficients));
            c.check("decoded", coefficients, "GroupCodes");
        }
    }
}
