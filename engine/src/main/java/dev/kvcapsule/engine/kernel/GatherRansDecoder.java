package dev.kvcapsule.engine.kernel;

import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.BITWISE_BLEND;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/** Decodes whole rows of any contexts on vectors of any width, looking slots up in memory. */
final class GatherRansDecoder {
    private static final VectorSpecies<Integer> INTS = VectorWidth.INT;
    private static final VectorSpecies<Short> SHORTS = VectorWidth.SHORT_FOR_INT;
    private static final int WIDTH = INTS.length();

    /** Lanes whose positions in a row are equal modulo 4 fill this many vectors. */
    private static final int GROUP = RansKernel.LANES / 4;

    private GatherRansDecoder() {}

    /**
     * @param words end of the words in {@code in}
     * @param n number of symbols, a multiple of 64
     * @param states of the 64 lanes, updated
     * @return byte offset of the next word
     */
    static long decode(
            MemorySegment in,
            long words,
            MemorySegment symbols,
            long n,
            RansTables tables,
            RansContexts contexts,
            int[] states)
            throws MalformedDataException {
        int[] entries = tables.decodeEntries();
        int[] offsets = contexts.offsets();
        int period = contexts.period();
        int step = RansKernel.LANES % period;
        int[] index = new int[RansKernel.LANES];
        long position = 0;
        int phase = 0;
        for (long i = 0; i < n; i += RansKernel.LANES) {
            // A row reads at most 128 bytes; the states behind the words keep that inside the stream.
            if (position > words) {
                throw RansChecks.early();
            }
            int set = (int) i & (states.length - 1);
            for (int group = 0; group < 4; group++) {
                int context = contexts.offsetIndex(phase + group);
                for (int v = 0; v < GROUP; v += WIDTH) {
                    int lane = group * GROUP + v;
                    IntVector x = IntVector.fromArray(INTS, states, set + lane);
                    x.and(RansTables.SLOTS - 1)
                            .add(IntVector.fromArray(INTS, offsets, context + v))
                            .intoArray(index, lane);
                    IntVector entry = IntVector.fromArray(INTS, entries, 0, index, lane);
                    entry.intoArray(index, lane);
                    IntVector freq = entry.lanewise(LSHR, 8).and(0xFFF);
                    x = x.lanewise(LSHR, 12).mul(freq).add(entry.lanewise(LSHR, 20));
                    VectorMask<Integer> small = x.lt(RansKernel.STATE_MIN);
                    IntVector word = (IntVector) ShortVector.fromMemorySegment(SHORTS, in, position, LITTLE_ENDIAN)
                            .convertShape(ZERO_EXTEND_S2I, INTS, 0);
                    x.lanewise(LSHL, 16, small).or(word.expand(small)).intoArray(states, set + lane);
                    position += 2L * small.trueCount();
                }
            }
            // The index is used up and now holds the entries, whose lowest bytes are the symbols.
            for (int v = 0; v < GROUP; v += WIDTH) {
                IntVector low = IntVector.fromArray(INTS, index, v)
                        .lanewise(BITWISE_BLEND, IntVector.fromArray(INTS, index, v + GROUP).lanewise(LSHL, 8), 0xFF00);
                IntVector odd = IntVector.fromArray(INTS, index, v + 3 * GROUP).lanewise(LSHL, 8);
                IntVector high = IntVector.fromArray(INTS, index, v + 2 * GROUP)
                        .lanewise(BITWISE_BLEND, odd, 0xFF00);
                low.lanewise(BITWISE_BLEND, high.lanewise(LSHL, 16), 0xFFFF0000)
                        .intoMemorySegment(symbols, i + 4L * v, LITTLE_ENDIAN);
            }
            phase += step;
            phase -= phase >= period ? period : 0;
        }
        if (position > words) {
            throw RansChecks.early();
        }
        return position;
    }
}
