package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.kernel.GemmKernel.Operand;
import dev.kvcapsule.engine.kernel.Parity.Room;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@ExtendWith(AvailableWidth.class)
class GemmKernelTest {
    @ParameterizedTest
    @CsvSource({"1,1,1", "2,3,4", "9,49,17", "33,64,300", "64,195,256", "515,20,31", "7,400,4100", "6,5,0", "0,3,3"})
    void bothProvidersMultiplyAlike(int m, int n, int k) {
        SplittableRandom random = new SplittableRandom(m + 31L * n + 977L * k);
        try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
            for (int kind = 0; kind < 4; kind++) {
                int skew = random.nextInt(17);
                Operand a = operand(arena, random, m, k, (kind & 1) != 0, skew);
                Operand b = operand(arena, random, k, n, (kind & 2) != 0, skew);
                int stride = n + kind;
                MemorySegment start = Fill.NORMAL.rows(arena, ElementType.F32, (long) m * stride, 0, random);
                Parity.same(arena, m + " x " + n + " x " + k + " kind " + kind, (kernels, outputs) -> {
                    Room room = outputs.room("c", start.byteSize(), skew);
                    MemorySegment.copy(start, 0, room.memory(), skew, room.bytes());
                    kernels.gemm().multiplyAdd(m, n, k, a, b, new Operand(room.memory(), skew, stride, false), scratch);
                    return null;
                });
            }
        }
    }

    @Test
    void callsThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
            Operand four = new Operand(arena.allocate(4 * 16), 0, 4, false);
            Operand turned = new Operand(four.memory(), 0, 4, true);
            Operand heap = new Operand(MemorySegment.ofArray(new float[16]), 0, 4, false);
            Parity.bothRefuse(IllegalArgumentException.class, "a transposed sum", k -> k.gemm().multiplyAdd(4, 4, 4, four, four, turned, scratch));
            Parity.bothRefuse(IllegalArgumentException.class, "heap memory", k -> k.gemm().multiplyAdd(4, 4, 4, heap, four, four, scratch));
            Parity.bothRefuse(IllegalArgumentException.class, "a short stride", k -> k.gemm().multiplyAdd(2, 2, 5, four, four, four, scratch));
            Parity.bothRefuse(IndexOutOfBoundsException.class, "a short matrix", k -> k.gemm().multiplyAdd(4, 5, 4, four, turned, four, scratch));
        }
    }

    private static Operand operand(Arena arena, SplittableRandom random, int rows, int columns, boolean transposed, int skew) {
        int stride = (transposed ? rows : columns) + random.nextInt(3);
        return new Operand(Fill.NORMAL.rows(arena, ElementType.F32, (long) (transposed ? columns : rows) * stride, skew, random), skew, stride, transposed);
    }
}
