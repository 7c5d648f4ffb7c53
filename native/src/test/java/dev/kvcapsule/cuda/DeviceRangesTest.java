package dev.kvcapsule.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Which addresses are the device's, while ranges come and go. */
class DeviceRangesTest {
    private static final int ADDRESSES = 40;

    private record Range(int from, int bytes) {
        boolean holds(int address) {
            return address >= from && address < from + bytes;
        }
    }

    @Test
    void anAddressIsKnownAsLongAsOneRangeHoldsIt() {
        SplittableRandom random = new SplittableRandom(1);
        DeviceRanges ranges = new DeviceRanges();
        List<Range> all = new ArrayList<>();
        for (int round = 0; round < 20_000; round++) {
            if (all.size() < random.nextInt(9)) {
                int from = 1 + random.nextInt(ADDRESSES - 2);
                Range range = new Range(from, 1 + random.nextInt(ADDRESSES - from));
                all.add(range);
                ranges.add(range.from(), range.bytes());
            } else if (!all.isEmpty()) {
                Range range = all.remove(random.nextInt(all.size()));
                ranges.remove(range.from(), range.bytes());
            }
            for (int address = 0; address <= ADDRESSES; address++) {
                int at = address;
                assertEquals(all.stream().anyMatch(range -> range.holds(at)), ranges.covers(at), () -> "address " + at + " with " + all);
            }
            assertEquals(all.isEmpty(), ranges.isEmpty(), "borders of nothing are left");
        }
    }

    @Test
    void askingWhileRangesChangeFindsWhatStays() throws InterruptedException {
        DeviceRanges ranges = new DeviceRanges();
        ranges.add(100, 100);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            int from = 50 + 70 * i;
            threads.add(Thread.ofPlatform().start(() -> {
                for (int round = 0; round < 50_000; round++) {
                    ranges.add(from, 100);
                    ranges.remove(from, 100);
                }
            }));
        }
        boolean known = true;
        while (threads.stream().anyMatch(Thread::isAlive)) {
            for (int address = 100; address < 200; address++) {
                known &= ranges.covers(address);
            }
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertTrue(known);
        assertFalse(ranges.covers(99) || ranges.covers(200));
    }
}
