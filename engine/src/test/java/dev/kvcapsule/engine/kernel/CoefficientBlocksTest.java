package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Both forms must give the same bits for blocks of every length, and leave what lies beyond alone. */
@ExtendWith(AvailableWidth.class)
class CoefficientBlocksTest {
    private static final CoefficientBlocks SCALAR = new ScalarCoefficientBlocks();
    private static final CoefficientBlocks PANAMA = new PanamaCoefficientBlocks();
    private static final int FIRST = 3;
    private static final int ROOM = FIRST + CoefficientKernel.LANES + 5;
    private static final int TOTAL = 1 << CoefficientKernel.PROBABILITY_BITS;
    private static final int SYMBOLS = 1 << CoefficientKernel.SYMBOL_BITS;
    private static final int BUCKETS = 1 << CoefficientKernel.BUCKETS_BITS;

    /** Magnitudes from far below one step to the largest there are. */
    private static float[] magnitudes(SplittableRandom random, boolean zeros) {
        float[] all = new float[ROOM];
        for (int i = 0; i < ROOM; i++) {
            all[i] = zeros && random.nextInt(4) == 0 ? 0 : (float) Math.scalb(1 + random.nextDouble(), random.nextInt(34) - 14);
        }
        return all;
    }

    @Test
    void contextsAreTheSame() {
        SplittableRandom random = new SplittableRandom(1);
        boolean[] seenContexts = new boolean[CoefficientKernel.SCALES * CoefficientKernel.ENERGIES];
        for (int round = 0; round < 400; round++) {
            int count = 1 + round % CoefficientKernel.LANES;
            float[] prior = magnitudes(random, false);
            float[] expected = magnitudes(random, false);
            float[] last = magnitudes(random, true);
            float[] beforeLast = magnitudes(random, true);
            float scale = Math.scalb(1f, random.nextInt(5) - 4);
            float seen = round % 3 == 0 ? 0 : random.nextInt(1000);
            float usual = round % 5 == 0 ? 0 : random.nextInt(1000);
            int[][] contexts = {filled(ROOM), filled(ROOM)};
            int[][] low = {filled(ROOM), filled(ROOM)};
            int any = SCALAR.contexts(prior, expected, last, beforeLast, FIRST, count, scale, seen, usual, contexts[0], low[0]);
            int same = PANAMA.contexts(prior, expected, last, beforeLast, FIRST, count, scale, seen, usual, contexts[1], low[1]);
            assertEquals(any == 0, same == 0);
            assertArrayEquals(contexts[0], contexts[1]);
            assertArrayEquals(low[0], low[1]);
            for (int i = 0; i < count; i++) {
                seenContexts[contexts[0][i]] = true;
            }
            assertEquals(77, contexts[1][count]);
        }
        long reached = IntStream.range(0, seenContexts.length).filter(i -> seenContexts[i]).count();
        assertTrue(reached > 250, () -> reached + " contexts reached");
    }

    private static int[] filled(int count) {
        int[] all = new int[count];
        Arrays.fill(all, 77);
        return all;
    }

    @Test
    void learningIsTheSame() {
        SplittableRandom random = new SplittableRandom(2);
        for (int round = 0; round < 400; round++) {
            int count = 1 + round % CoefficientKernel.LANES;
            int[] values = random.ints(ROOM, -(1 << random.nextInt(23)), 1 << 22).toArray();
            float[] expected = magnitudes(random, false);
            float[][] past = twice(magnitudes(random, true));
            float[][] last = twice(magnitudes(random, true));
            float[][] beforeLast = twice(magnitudes(random, true));
            float[][] sums = {new float[2], new float[2]};
            float perUnit = (float) Math.scalb(1 + random.nextDouble(), random.nextInt(9) - 4);
            SCALAR.learn(values, perUnit, FIRST, count, expected, past[0], last[0], beforeLast[0], sums[0]);
            PANAMA.learn(values, perUnit, FIRST, count, expected, past[1], last[1], beforeLast[1], sums[1]);
            for (float[][] both : new float[][][] {past, last, beforeLast, sums}) {
                assertArrayEquals(bits(both[0]), bits(both[1]), "block of " + count);
            }
        }
    }

    private static float[][] twice(float[] array) {
        return new float[][] {array, array.clone()};
    }

    private static int[] bits(float[] array) {
        int[] bits = new int[array.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(array[i]);
        }
        return bits;
    }

    @Test
    void sumsAreByStripesAndPairs() {
        float[] expected = new float[ROOM];
        float[] sums = new float[2];
        // 2^24 + 1 is not a binary32: what comes out tells in which order numbers were added.
        expected[FIRST] = 0x1p24f;
        expected[FIRST + 1] = 1;
        expected[FIRST + 17] = 1;
        SCALAR.learn(new int[ROOM], 1, FIRST, 20, expected, new float[ROOM], new float[ROOM], new float[ROOM], sums);
        assertEquals(0x1p24f + 2, sums[1]);
        expected[FIRST + 17] = 0;
        expected[FIRST + 16] = 1;
        SCALAR.learn(new int[ROOM], 1, FIRST, 20, expected, new float[ROOM], new float[ROOM], new float[ROOM], sums);
        assertEquals(0x1p24f, sums[1]);
    }

    /** Any states decode to the same symbols and states, whether an encoder wrote them or not. */
    @Test
    void decodingIsTheSame() {
        SplittableRandom random = new SplittableRandom(3);
        int contexts = 7;
        for (int round = 0; round < 400; round++) {
            int count = 1 + round % CoefficientKernel.LANES;
            int[] entries = new int[contexts * SYMBOLS];
            int[] starts = new int[contexts * BUCKETS];
            for (int context = 0; context < contexts; context++) {
                tables(random, context, entries, starts);
            }
            int[] words = random.ints(2 * CoefficientKernel.LANES, 0, 1 << 16).toArray();
            int[][] states = {random.ints(CoefficientKernel.LANES).map(x -> x | 1 << 16).toArray(), null};
            states[1] = states[0].clone();
            int[] wanted = random.ints(CoefficientKernel.LANES, 0, contexts).toArray();
            int[][] symbols = {filled(ROOM), filled(ROOM)};
            int next = random.nextInt(CoefficientKernel.LANES);
            int scalar = SCALAR.decode(states[0], words, next, starts, entries, wanted, count, symbols[0]);
            assertEquals(scalar, PANAMA.decode(states[1], words, next, starts, entries, wanted, count, symbols[1]));
            assertTrue(scalar >= next && scalar <= next + count);
            assertArrayEquals(states[0], states[1]);
            assertArrayEquals(symbols[0], symbols[1]);
        }
    }

    private static void tables(SplittableRandom random, int context, int[] entries, int[] starts) {
        int left = TOTAL;
        int sum = 0;
        for (int symbol = 0; symbol < SYMBOLS; symbol++) {
            int others = SYMBOLS - 1 - symbol;
            int frequency = others == 0 ? left : 1 + random.nextInt(Math.max(1, (left - others) / 2));
            entries[context * SYMBOLS + symbol] = frequency << 16 | sum;
            for (int bucket = 0; bucket < BUCKETS; bucket++) {
                int slot = bucket << CoefficientKernel.BUCKET_BITS;
                if (slot >= sum && slot < sum + frequency) {
                    starts[context * BUCKETS + bucket] = context * SYMBOLS + symbol;
                }
            }
            sum += frequency;
            left -= frequency;
        }
    }
}
