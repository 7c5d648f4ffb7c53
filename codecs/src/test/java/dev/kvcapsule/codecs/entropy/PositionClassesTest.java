package dev.kvcapsule.codecs.entropy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class PositionClassesTest {
    private static int[][] random(long seed, int positions, int perPosition) {
        Random random = new Random(seed);
        int[][] counts = new int[positions][256];
        for (int p = 0; p < positions; p++) {
            int centre = 40 * random.nextInt(5);
            for (int i = 0; i < perPosition; i++) {
                counts[p][Math.clamp((int) (centre + 6 * random.nextGaussian()), 0, 255)]++;
            }
        }
        return counts;
    }

    @Property(tries = 100)
    void everyPositionHasAClassAndEveryClassAPosition(@ForAll long seed, @ForAll @IntRange(min = 1, max = 80) int positions, @ForAll @IntRange(min = 0, max = 400) int each,
            @ForAll @IntRange(min = 1, max = 64) int most) {
        int[][] counts = random(seed, positions, each);
        PositionClasses classes = PositionClasses.cluster(counts, most);
        assertEquals(positions, classes.map().length);
        assertTrue(classes.histograms().length >= 1 && classes.histograms().length <= Math.min(most, positions));
        long[][] sums = new long[classes.histograms().length][256];
        for (int p = 0; p < positions; p++) {
            for (int s = 0; s < 256; s++) {
                sums[classes.map()[p]][s] += counts[p][s];
            }
        }
        boolean[] used = new boolean[sums.length];
        for (byte c : classes.map()) {
            used[c] = true;
        }
        for (int c = 0; c < sums.length; c++) {
            assertTrue(used[c]);
            assertArrayEquals(sums[c], classes.histograms()[c]);
        }
        assertArrayEquals(classes.map(), PositionClasses.cluster(counts, most).map());
    }

    @Test
    void positionsThatDifferAreSetApart() {
        int[][] counts = new int[40][256];
        for (int p = 0; p < 40; p++) {
            for (int s = 0; s < 8; s++) {
                counts[p][(p % 2 == 0 ? 10 : 90) + s] = 200 + s;
            }
        }
        PositionClasses classes = PositionClasses.cluster(counts, 2);
        assertEquals(2, classes.histograms().length);
        for (int p = 0; p < 40; p++) {
            assertEquals(classes.map()[p % 2], classes.map()[p]);
        }
        assertNotEquals(classes.map()[0], classes.map()[1]);
    }

    @Test
    void fewSymbolsGetOneTable() {
        assertEquals(1, PositionClasses.cluster(random(1, 64, 10), 16).histograms().length);
    }

    @Test
    void theOnlySymbolIsFound() {
        int[][] counts = new int[3][256];
        assertEquals(-1, PositionClasses.cluster(counts, 2).onlySymbol());
        counts[1][200] = 5;
        assertEquals(200, PositionClasses.cluster(counts, 2).onlySymbol());
        counts[2][200] = 5;
        assertEquals(200, PositionClasses.cluster(counts, 2).onlySymbol());
        counts[2][0] = 1;
        assertEquals(-1, PositionClasses.cluster(counts, 2).onlySymbol());
    }
}
