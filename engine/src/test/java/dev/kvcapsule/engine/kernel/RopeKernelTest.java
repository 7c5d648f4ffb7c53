package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.engine.kernel.Parity.Room;
import dev.kvcapsule.engine.kernel.RopeKernel.Pairing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@ExtendWith(AvailableWidth.class)
class RopeKernelTest {
    private static final int[] DIMS = {0, 2, 6, 16, 20, 32, 34, 64, 128};
    private static final int TOKENS = 7;
    private static final int FIRST_ROW = 2;

    @ParameterizedTest
    @EnumSource
    void bothProvidersRotateAlike(Fill fill) {
        SplittableRandom random = new SplittableRandom(fill.ordinal());
        int n = 0;
        for (Pairing pairing : Pairing.values()) {
            for (int dims : DIMS) {
                for (int repeat = 0; repeat < 6; repeat++) {
                    int heads = 1 + n % 3;
                    int headDim = Math.max(1, dims + n % 5);
                    int skew = random.nextInt(64);
                    boolean inverse = n++ % 2 == 0;
                    try (Arena arena = Arena.ofConfined()) {
                        RopeTable table = table(arena, dims);
                        MemorySegment rows = fill.rows(arena, ElementType.F32, (long) TOKENS * heads * headDim, skew, random);
                        Parity.same(arena, fill + " " + dims + " of " + headDim + " " + pairing, (kernels, outputs) -> {
                            Room turned = outputs.room("rows", rows.byteSize() - skew, skew);
                            MemorySegment.copy(rows, skew, turned.memory(), skew, turned.bytes());
                            kernels.rope().rotate(table, FIRST_ROW, turned.memory(), skew, TOKENS, heads, headDim, pairing, inverse);
                            return null;
                        });
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void rotationIsThatOfThePairByItsPositionTimesItsFrequency(Pairing pairing) {
        int heads = 3;
        int headDim = 70;
        int dims = 64;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment before = Fill.NORMAL.rows(arena, ElementType.F32, (long) TOKENS * heads * headDim, 0, new SplittableRandom(8));
            for (Kernels kernels : Parity.providers()) {
                MemorySegment after = arena.allocate(before.byteSize()).copyFrom(before);
                kernels.rope().rotate(table(arena, dims), FIRST_ROW, after, 0, TOKENS, heads, headDim, pairing, false);
                for (int head = 0; head < TOKENS * heads; head++) {
                    int position = positions()[FIRST_ROW + head / heads];
                    for (int pair = 0; pair < dims / 2; pair++) {
                        double angle = position * frequencies(dims)[pair];
                        long first = (long) head * headDim + (pairing == Pairing.INTERLEAVED ? 2 * pair : pair);
                        long second = first + (pairing == Pairing.INTERLEAVED ? 1 : dims / 2);
                        double a = before.getAtIndex(Bounds.FLOAT, first);
                        double b = before.getAtIndex(Bounds.FLOAT, second);
                        double bound = Math.hypot(a, b) * 0x1p-22;
                        assertEquals(a * Math.cos(angle) - b * Math.sin(angle), after.getAtIndex(Bounds.FLOAT, first), bound);
                        assertEquals(b * Math.cos(angle) + a * Math.sin(angle), after.getAtIndex(Bounds.FLOAT, second), bound);
                    }
                    for (long i = (long) head * headDim + dims; i < (head + 1L) * headDim; i++) {
                        assertEquals(before.getAtIndex(Bounds.FLOAT, i), after.getAtIndex(Bounds.FLOAT, i), "a channel that is not rotated");
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void inverseUndoesTheRotation(Pairing pairing) {
        try (Arena arena = Arena.ofConfined()) {
            int heads = 2;
            int headDim = 128;
            RopeTable table = table(arena, headDim);
            MemorySegment before = Fill.NORMAL.rows(arena, ElementType.F32, (long) TOKENS * heads * headDim, 0, new SplittableRandom(9));
            for (Kernels kernels : Parity.providers()) {
                for (boolean inverseFirst : new boolean[] {false, true}) {
                    MemorySegment after = arena.allocate(before.byteSize()).copyFrom(before);
                    kernels.rope().rotate(table, FIRST_ROW, after, 0, TOKENS, heads, headDim, pairing, inverseFirst);
                    kernels.rope().rotate(table, FIRST_ROW, after, 0, TOKENS, heads, headDim, pairing, !inverseFirst);
                    for (long i = 0; i < before.byteSize() / 4; i++) {
                        assertEquals(before.getAtIndex(Bounds.FLOAT, i), after.getAtIndex(Bounds.FLOAT, i), 2e-6, kernels.name());
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void positionZeroChangesNothing(Pairing pairing) {
        try (Arena arena = Arena.ofConfined()) {
            RopeTable table = new RopeTable(arena, new int[3], frequencies(48));
            MemorySegment before = Fill.NORMAL.rows(arena, ElementType.F32, 3 * 48, 0, new SplittableRandom(10));
            for (Kernels kernels : Parity.providers()) {
                MemorySegment after = arena.allocate(before.byteSize()).copyFrom(before);
                kernels.rope().rotate(table, 0, after, 0, 3, 1, 48, pairing, true);
                assertEquals(-1, before.mismatch(after));
            }
        }
    }

    @Test
    void callsThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            RopeTable table = table(arena, 32);
            MemorySegment rows = arena.allocate(4L * 2 * 3 * 32);
            MemorySegment heap = MemorySegment.ofArray(new float[2 * 3 * 32]);
            Pairing pairing = Pairing.HALVES;
            Parity.bothRefuse(IllegalArgumentException.class, "rows on the heap", k -> k.rope().rotate(table, 0, heap, 0, 2, 3, 32, pairing, false));
            Parity.bothRefuse(IllegalArgumentException.class, "read-only rows", k -> k.rope().rotate(table, 0, rows.asReadOnly(), 0, 2, 3, 32, pairing, false));
            Parity.bothRefuse(IllegalArgumentException.class, "a narrow head", k -> k.rope().rotate(table, 0, rows, 0, 2, 3, 31, pairing, false));
            Parity.bothRefuse(IndexOutOfBoundsException.class, "short rows", k -> k.rope().rotate(table, 0, rows, 4, 2, 3, 32, pairing, false));
            Parity.bothRefuse(IndexOutOfBoundsException.class, "a short table", k -> k.rope().rotate(table, positions().length - 1, rows, 0, 2, 3, 32, pairing, false));
        }
    }

    private static int[] positions() {
        int[] positions = new int[TOKENS + FIRST_ROW];
        for (int i = 0; i < positions.length; i++) {
            positions[i] = i * 977;
        }
        return positions;
    }

    private static double[] frequencies(int dims) {
        double[] frequencies = new double[dims / 2];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = Math.pow(1e5, -2.0 * i / dims);
        }
        return frequencies;
    }

    private static RopeTable table(Arena arena, int dims) {
        return new RopeTable(arena, positions(), frequencies(dims));
    }
}
