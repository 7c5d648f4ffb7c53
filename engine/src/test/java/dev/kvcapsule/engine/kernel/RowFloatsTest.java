package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.kernel.Parity.Outputs;
import dev.kvcapsule.engine.kernel.Parity.Room;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RowFloatsTest {
    @ParameterizedTest
    @EnumSource
    void rowsOfEveryTypeBecomeFloatsAndRowsAgain(DType type) {
        SplittableRandom random = new SplittableRandom(type.ordinal());
        for (int units = 0; units < 40; units++) {
            int elements = units * type.blockElements();
            long bytes = type.rowBytes(elements);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment floats = Fill.NORMAL.rows(arena, ElementType.F32, elements, 0, random);
                Outputs outputs = Parity.same(arena, elements + " of " + type, (kernels, out) -> {
                    Room rows = out.room("rows", bytes, 1);
                    RowFloats.fromF32(kernels, type, floats, elements, rows.slice());
                    Room back = out.room("floats", 4L * elements, 4);
                    RowFloats.toF32(kernels, type, rows.slice(), elements, back.slice());
                    Room again = out.room("rows again", bytes, 3);
                    RowFloats.fromF32(kernels, type, back.slice(), elements, again.slice());
                    return null;
                });
                for (int i = 0; i < elements; i++) {
                    float value = floats.getAtIndex(Bounds.FLOAT, i);
                    assertEquals(value, outputs.get(1).slice().getAtIndex(Bounds.FLOAT, i), coarsest(type) * Math.max(Math.abs(value), type.isScalar() ? 0 : 5) + 0x1p-10);
                }
                if (type.isScalar()) {
                    assertEquals(-1, outputs.get(0).slice().mismatch(outputs.get(2).slice()), "rounded twice");
                }
            }
        }
    }

    /** Half a step relative to the value, or to the largest value of a block. */
    private static double coarsest(DType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 0x1p-11;
            case BF16 -> 0x1p-8;
            case F8_E4M3 -> 0x1p-4;
            case Q8_0 -> 1.0 / 250;
            case Q5_0, Q5_1 -> 1.0 / 15;
            case Q4_0, Q4_1, IQ4_NL -> 1.0 / 7;
        };
    }
}
