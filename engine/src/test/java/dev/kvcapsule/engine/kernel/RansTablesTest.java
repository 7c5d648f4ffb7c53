package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class RansTablesTest {
    @Provide
    Arbitrary<long[]> histograms() {
        Arbitrary<Long> counts = Arbitraries.frequencyOf(
                Tuple.of(3, Arbitraries.just(0L)),
                Tuple.of(2, Arbitraries.longs().between(0, 5)),
                Tuple.of(1, Arbitraries.longs().between(0, 1L << 40)));
        return counts.array(long[].class).ofSize(RansTables.SYMBOLS);
    }

    @Property(tries = 300)
    void frequenciesAddUpAndCoverEverySymbolPresent(@ForAll("histograms") long[] histogram) {
        RansTables tables = RansTables.fromHistograms(histogram);
        assertEquals(1, tables.count());
        checkValid(tables);
        for (int s = 0; s < RansTables.SYMBOLS; s++) {
            assertTrue(histogram[s] == 0 || tables.frequency(0, s) > 0, "symbol " + s);
        }
    }

    @Property(tries = 300)
    void storedTablesAreReadBack(@ForAll("histograms") long[] first, @ForAll("histograms") long[] second, @ForAll @IntRange(max = 9) int at)
            throws MalformedDataException {
        checkStored(RansTables.fromHistograms(first, second, first), at);
    }

    @Property(tries = 3000)
    void anyBytesAreValidTablesOrRefused(@ForAll byte[] bytes) {
        parse(bytes);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 63, 64})
    void setsOfManyTablesAreReadBack(int count) throws MalformedDataException {
        SplittableRandom random = new SplittableRandom(count);
        long[][] histograms = new long[count][RansTables.SYMBOLS];
        for (long[] histogram : histograms) {
            for (int s = 0; s < histogram.length; s++) {
                histogram[s] = random.nextInt(3) == 0 ? random.nextInt(1000) : 0;
            }
        }
        checkStored(RansTables.fromHistograms(histograms), 3);
    }

    private static void checkStored(RansTables tables, int at) throws MalformedDataException {
        byte[] bytes = new byte[tables.storedBytes() + at + 11];
        Arrays.fill(bytes, (byte) 0x5a);
        MemorySegment memory = MemorySegment.ofArray(bytes);
        assertEquals(at + tables.storedBytes(), tables.writeTo(memory, at));
        for (int i = 0; i < bytes.length; i++) {
            assertTrue(i >= at && i < at + tables.storedBytes() || bytes[i] == 0x5a, "wrote byte " + i);
        }
        for (long limit : new long[] {at + tables.storedBytes(), bytes.length}) {
            RansTables back = RansTables.read(memory, at, limit);
            assertEquals(tables.storedBytes(), back.storedBytes());
            assertEquals(tables.count(), back.count());
            for (int t = 0; t < tables.count(); t++) {
                for (int s = 0; s < RansTables.SYMBOLS; s++) {
                    assertEquals(tables.frequency(t, s), back.frequency(t, s));
                }
            }
        }
        assertThrows(MalformedDataException.class, () -> RansTables.read(memory, at, at + tables.storedBytes() - 1));
    }

    @ParameterizedTest
    @EnumSource
    void damagedTablesAreValidTablesOrRefused(RansData data) {
        SplittableRandom random = new SplittableRandom(data.ordinal());
        for (int period : new int[] {1, 2, 64}) {
            RansTables tables = RansData.models(data.symbols(5000, period, random), period, random).tables();
            byte[] stored = new byte[tables.storedBytes()];
            tables.writeTo(MemorySegment.ofArray(stored), 0);
            for (int bit = 0; bit < stored.length * 8; bit += 1 + random.nextInt(1 + stored.length / 20)) {
                byte[] flipped = stored.clone();
                flipped[bit >> 3] ^= (byte) (1 << (bit & 7));
                parse(flipped);
                parse(Arrays.copyOf(flipped, bit / 8));
                random.nextBytes(flipped);
                parse(flipped);
            }
            for (int length = 0; length < stored.length; length += 1 + stored.length / 50) {
                byte[] cut = Arrays.copyOf(stored, length);
                assertThrows(MalformedDataException.class, () -> RansTables.read(MemorySegment.ofArray(cut), 0, cut.length));
            }
        }
    }

    private static void parse(byte[] bytes) {
        RansTables tables;
        try {
            tables = RansTables.read(MemorySegment.ofArray(bytes), 0, bytes.length);
        } catch (MalformedDataException expected) {
            return;
        }
        assertTrue(tables.storedBytes() <= bytes.length);
        checkValid(tables);
    }

    private static void checkValid(RansTables tables) {
        for (int t = 0; t < tables.count(); t++) {
            int sum = 0;
            for (int s = 0; s < RansTables.SYMBOLS; s++) {
                int frequency = tables.frequency(t, s);
                assertTrue(frequency >= 0 && frequency < RansTables.SLOTS, "frequency " + frequency);
                sum += frequency;
            }
            assertEquals(RansTables.SLOTS, sum);
        }
    }

    @Test
    void noMoveOfSlotsBetweenTwoSymbolsMakesTheCodeShorter() {
        SplittableRandom random = new SplittableRandom(42);
        for (int round = 0; round < 100; round++) {
            long[] histogram = new long[RansTables.SYMBOLS];
            double power = random.nextDouble() * 12;
            for (int s = 0; s < histogram.length; s++) {
                histogram[s] = random.nextInt(3) == 0 ? 0 : (long) Math.exp(random.nextDouble() * power);
            }
            RansTables tables = RansTables.fromHistograms(histogram);
            for (int trial = 0; trial < 2000; trial++) {
                int to = random.nextInt(256);
                int from = random.nextInt(256);
                int slots = 1 + random.nextInt(3);
                if (to != from && histogram[to] > 0 && tables.frequency(0, from) > slots) {
                    double saved = histogram[to] * Math.log1p((double) slots / tables.frequency(0, to))
                            + histogram[from] * Math.log1p(-(double) slots / tables.frequency(0, from));
                    assertTrue(saved <= 1e-6 * (histogram[to] + histogram[from]), "a move saves " + saved);
                }
            }
        }
    }

    @Test
    void singleSymbolHasAllSlotsButOne() {
        for (int symbol : new int[] {0, 7, 255}) {
            long[] histogram = new long[RansTables.SYMBOLS];
            histogram[symbol] = 1_000_000;
            assertEquals(RansTables.SLOTS - 1, RansTables.fromHistograms(histogram).frequency(0, symbol));
        }
    }

    @Test
    void estimateIsTheSumOfTheCodeLengths() {
        long[] histogram = new long[RansTables.SYMBOLS];
        histogram[1] = 2;
        histogram[2] = 1;
        histogram[3] = 1;
        RansTables tables = RansTables.fromHistograms(histogram);
        assertEquals(2 * 1 + 2 + 2, tables.estimatedBits(0, histogram), 1e-9);
        histogram[4] = 1;
        assertEquals(Double.POSITIVE_INFINITY, tables.estimatedBits(0, histogram));
    }

    @Test
    void impossibleInputIsRefused() {
        assertThrows(IllegalArgumentException.class, RansTables::fromHistograms);
        assertThrows(IllegalArgumentException.class, () -> RansTables.fromHistograms(new long[65][RansTables.SYMBOLS]));
        assertThrows(IllegalArgumentException.class, () -> RansTables.fromHistograms(new long[255]));
        long[] negative = new long[RansTables.SYMBOLS];
        negative[9] = -1;
        assertThrows(IllegalArgumentException.class, () -> RansTables.fromHistograms(negative));
        MemorySegment memory = MemorySegment.ofArray(new byte[10]);
        assertThrows(IndexOutOfBoundsException.class, () -> RansTables.read(memory, -1, 10));
        assertThrows(IndexOutOfBoundsException.class, () -> RansTables.read(memory, 0, 11));
        assertThrows(IndexOutOfBoundsException.class, () -> RansTables.read(memory, 6, 5));
        RansTables tables = RansTables.fromHistograms(new long[RansTables.SYMBOLS]);
        assertThrows(IndexOutOfBoundsException.class, () -> tables.writeTo(MemorySegment.ofArray(new byte[tables.storedBytes()]), 1));
    }
}
