package dev.kvcapsule.engine.kernel;

import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.I2S;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Encodes whole rows on vectors of any width. Vectors hold the lanes in descending order: words then
 * leave in the order in which the encoder meets them, and one pass at the end turns them round.
 */
final class VectorRansEncoder {
    private static final VectorSpecies<Integer> INTS = VectorWidth.INT;
    private static final VectorSpecies<Short> SHORTS = VectorWidth.SHORT_FOR_INT;
    private static final VectorShuffle<Integer> REVERSE = VectorShuffle.iota(INTS, INTS.length() - 1, -1, true);
    private static final int WIDTH = INTS.length();
    private static final int GROUP = RansKernel.LANES / 4;

    /** Added to a float of 1..2^22, leaves the number less one, rounded to an integer, in the lowest 23 bits. */
    private static final float ROUND_LESS_ONE = (1 << 23) - 1;

    private static final int MANTISSA = (1 << 23) - 1;

    private VectorRansEncoder() {}

    /**
     * @param n number of symbols, a multiple of 64
     * @param position where in {@code out} the next word goes
     * @param states of the 64 lanes, last lane first; updated
     * @return position after the last word
     */
    static long encode(
            MemorySegment symbols,
            long n,
            RansTables tables,
            RansContexts contexts,
            MemorySegment out,
            long position,
            int[] states) {
        int[] entries = tables.encodeEntries();
        int[] slots = tables.encodeSlots();
        int[] offsets = contexts.offsets();
        int period = contexts.period();
        int step = RansKernel.LANES % period;
        int[] index = new int[states.length];
        long next = position;
        int phase = (int) (n % period);
        for (long i = n - RansKernel.LANES; i >= 0; i -= RansKernel.LANES) {
            phase -= step;
            phase += phase < 0 ? period : 0;
            // Past the row's set of lanes, which like the lanes are in reverse order.
            int set = states.length - ((int) i & (states.length - 1));
            for (int group = 3; group >= 0; group--) {
                int context = contexts.offsetIndex(phase + group);
                for (int v = GROUP - WIDTH; v >= 0; v -= WIDTH) {
                    int at = set - WIDTH - group * GROUP - v;
                    IntVector four = IntVector.fromMemorySegment(INTS, symbols, i + 4L * v, LITTLE_ENDIAN);
                    four.lanewise(LSHR, 8 * group)
                            .and(0xFF)
                            .add(IntVector.fromArray(INTS, offsets, context + v).lanewise(LSHR, 4))
                            .rearrange(REVERSE)
                            .intoArray(index, at);
                    IntVector entry = IntVector.fromArray(INTS, entries, 0, index, at);
                    IntVector freq = entry.and(0xFFF);
                    if (freq.eq(0).anyTrue()) {
                        throw RansChecks.uncodable();
                    }
                    IntVector x = IntVector.fromArray(INTS, states, at);
                    // x >= freq << 19 on unsigned numbers; x has 31 bits, freq << 19 too, as freq < 4096.
                    VectorMask<Integer> large = x.lt(freq.lanewise(LSHL, 19)).not();
                    ((ShortVector) x.compress(large).convertShape(I2S, SHORTS, 0))
                            .intoMemorySegment(out, next, LITTLE_ENDIAN);
                    next += 2L * large.trueCount();
                    x = x.lanewise(LSHR, 16, large);

                    // The float quotient is less than 0.1 off, so that low is the quotient or the quotient less one.
                    FloatVector ratio = ((FloatVector) x.convert(I2F, 0)).div((FloatVector) freq.convert(I2F, 0));
                    IntVector low = ratio.add(ROUND_LESS_ONE).reinterpretAsInts().and(MANTISSA);
                    IntVector rest = x.sub(low.mul(freq));
                    IntVector less = rest.sub(freq);
                    VectorMask<Integer> exact = less.lt(0);
                    rest = less.blend(rest, exact);
                    low = low.add(1).blend(low, exact);
                    entry.lanewise(LSHR, 12).add(rest).intoArray(index, at);
                    low.lanewise(LSHL, 12)
                            .or(IntVector.fromArray(INTS, slots, 0, index, at))
                            .intoArray(states, at);
                }
            }
        }
        return next;
    }
}
