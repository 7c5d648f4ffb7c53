package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ChannelMeansTest {
    @ParameterizedTest
    @EnumSource
    void meanOfEachChannelIsTheAverageRounded(ElementType type) {
        int tokens = 77;
        int channels = 48;
        ElementType parameter = type.parameterType();
        RotationShape shape = new RotationShape(4, 16, 0, true, type, parameter, tokens, channels);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = Fill.OUTLIERS.rows(arena, type, tokens * channels, 3, new SplittableRandom(1));
            MemorySegment means = arena.allocate(2 * channels + 5);
            ChannelMeans.write(shape, rows, 3, means, 5);
            for (int c = 0; c < channels; c++) {
                double sum = 0;
                double size = 0;
                for (int t = 0; t < tokens; t++) {
                    double value = Fill.get(type, rows, 3, t * channels + c);
                    sum += value;
                    size += Math.abs(value);
                }
                double bound = Fill.rounding(parameter, sum / tokens) * 1.01 + size * 0x1p-23;
                assertEquals(sum / tokens, Fill.get(parameter, means, 5, c), bound);
            }
        }
    }

    @Test
    void meanThatIsNotFiniteIsZeroAndOneBeyondTheFormatItsLargest() {
        RotationShape shape = new RotationShape(4, 4, 0, true, ElementType.F32, ElementType.F16, 2, 4);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = arena.allocate(shape.rowBytes());
            rows.setAtIndex(Bounds.FLOAT, 0, Float.NaN);
            rows.setAtIndex(Bounds.FLOAT, 1, Float.NEGATIVE_INFINITY);
            rows.setAtIndex(Bounds.FLOAT, 2, 1e6f);
            rows.setAtIndex(Bounds.FLOAT, 3, -1e6f);
            MemorySegment means = arena.allocate(8).fill((byte) 1);
            ChannelMeans.write(shape, rows, 0, means, 0);
            assertEquals(0, means.getAtIndex(Bounds.SHORT, 0));
            assertEquals(0, means.getAtIndex(Bounds.SHORT, 1));
            assertEquals(65504, Fill.get(ElementType.F16, means, 0, 2));
            assertEquals(-65504, Fill.get(ElementType.F16, means, 0, 3));
        }
    }

    @Test
    void meansOfNoTokensAreZero() {
        RotationShape shape = new RotationShape(4, 4, 0, true, ElementType.F32, ElementType.BF16, 0, 4);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment means = arena.allocate(8).fill((byte) 1);
            ChannelMeans.write(shape, arena.allocate(0), 0, means, 0);
            assertEquals(-1, means.mismatch(arena.allocate(8)));
        }
    }

    @Test
    void segmentsThatDoNotFitAreRefused() {
        RotationShape shape = new RotationShape(4, 4, 0, true, ElementType.F32, ElementType.BF16, 3, 4);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = arena.allocate(shape.rowBytes());
            MemorySegment means = arena.allocate(8);
            assertThrows(IndexOutOfBoundsException.class, () -> ChannelMeans.write(shape, rows, 1, means, 0));
            assertThrows(IndexOutOfBoundsException.class, () -> ChannelMeans.write(shape, rows, 0, means, 1));
            assertThrows(IllegalArgumentException.class, () -> ChannelMeans.write(shape, rows, 0, means.asReadOnly(), 0));
        }
    }
}
