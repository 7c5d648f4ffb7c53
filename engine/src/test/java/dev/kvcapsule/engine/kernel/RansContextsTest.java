package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class RansContextsTest {
    @Property
    void tableOfAPositionIsThatOfItsPlaceInThePeriod(
            @ForAll @Size(min = 1, max = 300) byte[] bytes, @ForAll @LongRange(min = 0) long position) {
        byte[] map = bytes.clone();
        for (int i = 0; i < map.length; i++) {
            map[i] &= RansTables.MAX_TABLES - 1;
        }
        RansContexts contexts = RansContexts.of(map);
        assertEquals(map.length, contexts.period());
        assertEquals(map[(int) (position % map.length)], contexts.table(position));
        int largest = 0;
        for (byte table : map) {
            largest = Math.max(largest, table);
        }
        assertEquals(largest, contexts.largestTable());
    }

    @Test
    void constantNamesOneTableEverywhere() {
        RansContexts contexts = RansContexts.constant(63);
        assertEquals(1, contexts.period());
        assertEquals(63, contexts.table(0));
        assertEquals(63, contexts.table(Long.MAX_VALUE));
    }

    @Test
    void laterChangesOfTheMapDoNotMatter() {
        byte[] map = {1, 2};
        RansContexts contexts = RansContexts.of(map);
        map[0] = 9;
        assertEquals(1, contexts.table(0));
    }

    @Test
    void impossibleMapsAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> RansContexts.of(new byte[0]));
        assertThrows(IllegalArgumentException.class, () -> RansContexts.of(new byte[RansContexts.MAX_PERIOD + 1]));
        assertThrows(IllegalArgumentException.class, () -> RansContexts.of(new byte[] {0, 64}));
        assertThrows(IllegalArgumentException.class, () -> RansContexts.of(new byte[] {-1}));
        assertThrows(IllegalArgumentException.class, () -> RansContexts.constant(64));
    }

    @Test
    void longestPeriodIsTaken() {
        byte[] map = new byte[RansContexts.MAX_PERIOD];
        map[RansContexts.MAX_PERIOD - 1] = 5;
        assertEquals(5, RansContexts.of(map).table(2L * RansContexts.MAX_PERIOD - 1));
    }
}
