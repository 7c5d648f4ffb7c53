package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.engine.kernel.Parity.Room;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Arithmetic on token vectors: the same bits from every provider. */
class VectorKernelTest {
    private static final int[][] SHAPES = {{1, 1}, {3, 7}, {5, 64}, {9, 131}, {2, 1000}, {70, 33}, {1, 517}, {4, 128}, {0, 5}};

    private static MemorySegment rows(Arena arena, SplittableRandom random, long count) {
        return Fill.NORMAL.rows(arena, ElementType.F32, Math.max(1, count), 0, random);
    }

    private static float[] row(SplittableRandom random, int width) {
        float[] row = new float[width];
        for (int w = 0; w < width; w++) {
            row[w] = (float) random.nextGaussian() + 0.1f;
        }
        return row;
    }

    @ParameterizedTest
    @EnumSource
    void rowsAreCombinedAlike(VectorKernel.Step step) {
        SplittableRandom random = new SplittableRandom(step.ordinal());
        for (int[] shape : SHAPES) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment rows = rows(arena, random, (long) shape[0] * shape[1]);
                float[] operand = row(random, shape[1]);
                long bytes = 4L * shape[0] * shape[1];
                Parity.same(arena, step + " " + shape[0] + " x " + shape[1], (kernels, outputs) -> {
                    Room out = outputs.room("out", bytes, 0);
                    kernels.vectors().combine(step, rows, shape[0], operand, out.slice());
                    Room place = outputs.room("in place", bytes, 0);
                    MemorySegment.copy(rows, 0, place.memory(), 0, bytes);
                    kernels.vectors().combine(step, place.slice(), shape[0], operand, place.slice());
                    return null;
                });
            }
        }
    }

    @Test
    void otherOperationsAreAlike() {
        SplittableRandom random = new SplittableRandom(9);
        for (int[] shape : SHAPES) {
            int tokens = shape[0];
            int width = shape[1];
            int count = (width + 1) / 2;
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment rows = rows(arena, random, (long) tokens * width);
                MemorySegment others = rows(arena, random, (long) tokens * width);
                long bytes = 4L * tokens * width;
                int[] columns = new int[count];
                for (int i = 0; i < count; i++) {
                    columns[i] = 2 * i;
                }
                float[] operand = row(random, width);
                Parity.same(arena, tokens + " x " + width, (kernels, outputs) -> {
                    Room spread = outputs.room("spread", bytes, 0);
                    kernels.vectors().spread(operand, tokens, spread.slice());
                    Room difference = outputs.room("difference", bytes, 0);
                    MemorySegment.copy(rows, 0, difference.memory(), 0, bytes);
                    kernels.vectors().subtractFrom(others, difference.slice(), tokens, width);
                    Room negated = outputs.room("negated", bytes, 0);
                    MemorySegment.copy(rows, 0, negated.memory(), 0, bytes);
                    kernels.vectors().negate(negated.slice(), tokens, width, count);
                    Room taken = outputs.room("taken", 4L * tokens * count, 0);
                    kernels.vectors().takeColumns(rows, tokens, width, columns, count, taken.slice());
                    Room added = outputs.room("added", bytes, 0);
                    MemorySegment.copy(rows, 0, added.memory(), 0, bytes);
                    kernels.vectors().addToColumns(others, tokens, width, columns, count, added.slice());
                    return kernels.vectors().squares(rows, tokens, width);
                });
            }
        }
    }

    @Test
    void squaresOfHeadsAreAlike() {
        SplittableRandom random = new SplittableRandom(10);
        for (int[] dims : new int[][] {{1}, {64, 64, 64}, {3, 80, 1, 200}, {576, 64}}) {
            int width = java.util.Arrays.stream(dims).sum();
            for (int tokens : new int[] {1, 7, 100}) {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment rows = rows(arena, random, (long) tokens * width);
                    float[][] sums = {new float[tokens * dims.length], new float[tokens * dims.length]};
                    Kernels.scalar().vectors().headSquares(rows, tokens, dims, sums[0]);
                    Parity.other().vectors().headSquares(rows, tokens, dims, sums[1]);
                    assertArrayEquals(sums[0], sums[1]);
                }
            }
        }
    }

    @Test
    void squaresAreAddedInStripes() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment row = arena.allocate(4 * 9, 64);
            // 2^53 + 1 is no binary64: what comes out tells in which order numbers were added.
            row.setAtIndex(Bounds.FLOAT, 0, 0x1p27f);
            row.setAtIndex(Bounds.FLOAT, 1, 1);
            row.setAtIndex(Bounds.FLOAT, 3, 1);
            for (Kernels kernels : Parity.providers()) {
                assertEquals(0x1p54, kernels.vectors().squares(row, 1, 9), kernels.name());
                row.setAtIndex(Bounds.FLOAT, 5, 1);
                row.setAtIndex(Bounds.FLOAT, 7, 2);
                assertEquals(0x1p54 + 4, kernels.vectors().squares(row, 1, 9), kernels.name());
                row.setAtIndex(Bounds.FLOAT, 5, 0);
                row.setAtIndex(Bounds.FLOAT, 7, 0);
            }
        }
    }

    @Test
    void quantizingIsAlike() {
        SplittableRandom random = new SplittableRandom(11);
        for (int[] shape : SHAPES) {
            int tokens = shape[0];
            int width = shape[1];
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment rows = rows(arena, random, (long) tokens * width);
                for (int t = 0; t < tokens; t++) {
                    // Halves, and a tail of zeros.
                    rows.setAtIndex(Bounds.FLOAT, (long) t * width, t + 0.5f);
                    for (int k = width * 2 / 3; k < width; k++) {
                        rows.setAtIndex(Bounds.FLOAT, (long) t * width + k, random.nextBoolean() ? -0.3f : 0.2f);
                    }
                }
                float[] steps = new float[tokens];
                for (int t = 0; t < tokens; t++) {
                    steps[t] = Math.scalb(1f, random.nextInt(4) - 1);
                }
                Parity.same(arena, tokens + " x " + width, (kernels, outputs) -> {
                    Room codes = outputs.room("codes", 4L * tokens * width, 0);
                    int used = kernels.vectors().quantize(rows, tokens, width, steps, codes.slice());
                    Room values = outputs.room("values", 4L * tokens * width, 0);
                    kernels.vectors().restore(codes.slice(), tokens, width, steps, values.slice());
                    return used;
                });
            }
        }
    }

    @Test
    void whatIsTooLargeIsFoundByAll() {
        try (Arena arena = Arena.ofConfined()) {
            for (float large : new float[] {0x1p22f, -0x1p22f, Float.POSITIVE_INFINITY, Float.NaN, 0x1p24f}) {
                MemorySegment rows = arena.allocate(4 * 30, 64);
                MemorySegment codes = arena.allocate(4 * 30, 64);
                rows.setAtIndex(Bounds.FLOAT, 17, large);
                for (Kernels kernels : Parity.providers()) {
                    assertEquals(-1, kernels.vectors().quantize(rows, 3, 10, new float[] {1, 1, 1}, codes), kernels.name());
                    assertEquals(Math.abs(large) == 0x1p22f ? 8 : -1, kernels.vectors().quantize(rows, 3, 10, new float[] {1, 2, 1}, codes), kernels.name());
                }
            }
        }
    }

    @Test
    void blocksOnADiagonalAreMultipliedAlike() {
        SplittableRandom random = new SplittableRandom(12);
        for (int[] dims : new int[][] {{1}, {64, 64}, {5, 130, 1}, {300, 40}}) {
            int width = java.util.Arrays.stream(dims).sum();
            long floats = java.util.Arrays.stream(dims).mapToLong(dim -> (long) dim * dim).sum();
            for (int tokens : new int[] {1, 8, 33, 0}) {
                try (Arena arena = Arena.ofConfined(); TransformScratch scratch = new TransformScratch()) {
                    MemorySegment rows = rows(arena, random, (long) tokens * width);
                    MemorySegment blocks = rows(arena, random, floats);
                    Parity.same(arena, tokens + " x " + width, (kernels, outputs) -> {
                        Room out = outputs.room("out", 4L * tokens * width, 0);
                        kernels.gemm().multiplyBlocks(tokens, dims, rows, blocks, out.slice(), scratch);
                        return null;
                    });
                }
            }
        }
    }
}
