package dev.kvcapsule.codecs.kvtc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BitAllocatorTest {
    /** Sums of the first variances. */
    private static final double[] VARIANCES = new double[3001];

    static {
        for (int k = 0; k + 1 < VARIANCES.length; k++) {
            VARIANCES[k + 1] = VARIANCES[k] + 100.0 / (1 + k);
        }
    }

    /** Variances that fall like those of principal components, each bit taking three quarters of the error. */
    private static double error(int first, int size, GroupType type) {
        double sum = (VARIANCES[first + size] - VARIANCES[first]) * Math.scalb(1, -2 * Math.min(type.bits(), 6));
        // The wider a group, the worse one scale fits all.
        return type == GroupType.NONE ? sum : sum * (1 + size / 100.0);
    }

    private static double total(BitAllocation allocation, int components) {
        double sum = 0;
        int at = 0;
        for (BitAllocation.Group group : allocation.groups()) {
            sum += error(at, group.size(), group.type());
            at += group.size();
        }
        return sum + error(at, components - at, GroupType.NONE);
    }

    /** The least error by trying everything. */
    private static double best(int first, int components, int budget) {
        if (first == components) {
            return 0;
        }
        double least = Double.POSITIVE_INFINITY;
        for (int size : BitAllocation.sizes()) {
            for (GroupType type : GroupType.values()) {
                if (first + size <= components && (size == 1 || first % 16 == 0) && type.bytes(size) <= budget
                        && (size > 1 || type == GroupType.NONE || type == GroupType.INT2)) {
                    least = Math.min(least, error(first, size, type) + best(first + size, components, budget - type.bytes(size)));
                }
            }
        }
        return least;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 5, 11, 26, 40, 53})
    void noAllocationIsBetter(int budget) {
        int components = 35;
        BitAllocation allocation = BitAllocator.allocate(components, budget, BitAllocatorTest::error);
        assertTrue(allocation.tokenBytes() <= budget);
        assertEquals(best(0, components, Math.min(budget, 60)), total(allocation, components), 1e-3);
    }

    @Test
    void moreBytesAreNeverWorse() {
        double before = Double.POSITIVE_INFINITY;
        for (int budget = 0; budget < 6000; budget += 97) {
            BitAllocation allocation = BitAllocator.allocate(3000, budget, BitAllocatorTest::error);
            assertTrue(allocation.tokenBytes() <= budget && allocation.components() <= 3000);
            // Beyond 1,024 bytes the budget is counted in coarser units.
            assertTrue(total(allocation, 3000) <= before * 1.01);
            before = total(allocation, 3000);
        }
        assertEquals(List.of(), BitAllocator.allocate(0, 100, BitAllocatorTest::error).groups());
    }

    @Test
    void storedFormsComeBackOrAreRefused() throws MalformedDataException {
        BitAllocation allocation = BitAllocator.allocate(200, 90, BitAllocatorTest::error);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        allocation.write(out);
        assertEquals(allocation.storedBytes(), out.size());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stored = arena.allocateFrom(ValueLayout.JAVA_BYTE, out.toByteArray());
            assertEquals(allocation, BitAllocation.read(stored, 0, 200));
            assertThrows(MalformedDataException.class, () -> BitAllocation.read(stored, 0, allocation.components() - 1));
            assertThrows(MalformedDataException.class, () -> BitAllocation.read(stored.asSlice(0, stored.byteSize() - 1), 0, 200));
            assertThrows(MalformedDataException.class, () -> BitAllocation.read(stored.asSlice(0, 3), 0, 200));
            stored.set(ValueLayout.JAVA_BYTE, 4, (byte) 20);
            assertThrows(MalformedDataException.class, () -> BitAllocation.read(stored, 0, 200));
        }
    }
}
