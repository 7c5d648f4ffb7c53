package dev.kvcapsule.engine.cache;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class PositionsTest {
    /** Cells as caches hold them: a few runs, that may touch, overlap, wrap around or repeat. */
    @Provide
    Arbitrary<int[]> cells() {
        Arbitrary<int[]> run = Combinators.combine(Arbitraries.integers().between(-5, 60), Arbitraries.integers().between(1, 12))
                .as((start, length) -> IntStream.range(start, start + length).toArray());
        return run.list().ofMaxSize(6).map(runs -> runs.stream().flatMapToInt(Arrays::stream).toArray());
    }

    @Property
    void everyCellKeepsItsPosition(@ForAll("cells") int[] cells) {
        Positions positions = Positions.of(cells);
        assertEquals(cells.length, positions.cells());
        for (int cell = 0; cell < cells.length; cell++) {
            assertEquals(cells[cell], positions.get(cell));
        }
    }

    @Property
    void runsAreMaximalAndGiveThePositionsBack(@ForAll("cells") int[] cells) {
        Positions positions = Positions.of(cells);
        long[] runs = positions.runs();
        long sum = 0;
        for (int i = 0; i < runs.length; i += 2) {
            sum += runs[i + 1];
            assertTrue(i == 0 || runs[i] != runs[i - 2] + runs[i - 1], "two runs that are one");
        }
        assertEquals(cells.length, sum);
        assertEquals(positions, Positions.ofRuns(runs));
        assertEquals(positions.hashCode(), Positions.ofRuns(runs).hashCode());
    }

    @Property
    void tokenOrderSortsCellsByPositionAndKeepsTheOrderOfEquals(@ForAll("cells") int[] cells) {
        Positions positions = Positions.of(cells);
        int[] expected = IntStream.range(0, cells.length).boxed().sorted(Comparator.comparingInt(cell -> cells[cell])).mapToInt(Integer::intValue).toArray();
        boolean rising = IntStream.range(1, cells.length).allMatch(cell -> cells[cell] > cells[cell - 1]);
        int[] order = positions.tokenOrder();
        assertEquals(rising, positions.isRising());
        assertEquals(rising, order == null);
        assertArrayEquals(expected, order == null ? IntStream.range(0, cells.length).toArray() : order);
    }

    @Property
    void copyFollowsTokenOrder(@ForAll("cells") int[] cells, @ForAll @IntRange(min = 0, max = 80) int from, @ForAll @IntRange(min = 0, max = 80) int to) {
        int first = Math.min(cells.length, Math.min(from, to));
        int count = Math.min(cells.length, Math.max(from, to)) - first;
        int[] sorted = cells.clone();
        Arrays.sort(sorted);
        Positions positions = Positions.of(cells);
        int[] out = new int[count];
        positions.copy(positions.tokenOrder(), first, count, out);
        assertArrayEquals(Arrays.copyOfRange(sorted, first, first + count), out);
    }

    @Test
    void aWindowThatWrappedAroundHasTwoRuns() {
        // Cells 0..2 were written again with positions 8..10 after 5..7 had filled the ring.
        Positions positions = Positions.of(new int[] {8, 9, 10, 4, 5, 6, 7});
        assertArrayEquals(new long[] {8, 3, 4, 4}, positions.runs());
        assertFalse(positions.isRising());
        assertArrayEquals(new int[] {3, 4, 5, 6, 0, 1, 2}, positions.tokenOrder());
    }

    @Test
    void positionsWithHolesRise() {
        Positions positions = Positions.of(new int[] {0, 1, 5, 6, 9});
        assertTrue(positions.isRising());
        assertNull(positions.tokenOrder());
    }

    @Test
    void aRepeatedPositionIsNotRising() {
        assertFalse(Positions.of(new int[] {3, 3}).isRising());
        assertArrayEquals(new int[] {0, 1}, Positions.of(new int[] {3, 3}).tokenOrder());
    }

    @Test
    void sequentialIsOneRunWhateverItsLength() {
        assertEquals(Positions.of(new int[0]), Positions.sequential(0));
        assertArrayEquals(new long[0], Positions.sequential(0).runs());
        assertTrue(Positions.sequential(0).isRising());
        assertArrayEquals(new long[] {0, Integer.MAX_VALUE}, Positions.sequential(Integer.MAX_VALUE).runs());
        assertEquals(Integer.MAX_VALUE - 1, Positions.sequential(Integer.MAX_VALUE).get(Integer.MAX_VALUE - 1));
        assertNotEquals(Positions.sequential(3), Positions.sequential(4));
        assertEquals("Positions[0, 3]", Positions.sequential(3).toString());
    }

    @Test
    void runsOutOfRangeAreRefused() {
        long most = Integer.MAX_VALUE;
        for (long[] runs : new long[][] {{1}, {0, 0}, {0, -1}, {0, most + 1}, {most, 2}, {most + 1, 1}, {-(1L << 31) - 1, 1}, {0, most, 0, 1}, {0, Long.MAX_VALUE},
            {Long.MAX_VALUE, 1}, {5, Long.MAX_VALUE - 3}}) {
            assertThrows(IllegalArgumentException.class, () -> Positions.ofRuns(runs), () -> Arrays.toString(runs));
        }
        assertEquals(Integer.MAX_VALUE, Positions.ofRuns(new long[] {most, 1}).get(0));
        assertEquals(-1, Positions.ofRuns(new long[] {-2, 3}).get(1));
    }

    @Test
    void cellsOutOfOrderAreLimitedInNumber() {
        int most = Positions.MAX_UNORDERED_CELLS;
        assertEquals(most, Positions.ofRuns(new long[] {5, most - 5, 0, 5}).tokenOrder().length);
        assertThrows(IllegalArgumentException.class, () -> Positions.ofRuns(new long[] {5, most, 0, 5}));
        assertEquals(most + 5, Positions.ofRuns(new long[] {0, 5, 9, most}).cells());
    }
}
