package dev.kvcapsule.engine.kernel;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** {@link RansKernel} on vectors of the width in {@link VectorWidth}. */
public final class PanamaRans implements RansKernel {
    private static final VectorSpecies<Integer> INTS = VectorWidth.INT;
    private static final VectorSpecies<Short> SHORTS = VectorWidth.SHORT_FOR_INT;
    private static final VectorSpecies<Byte> BYTES = VectorWidth.BYTE_FOR_INT;
    private static final int WIDTH = INTS.length();
    private static final ValueLayout.OfInt STATE = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LITTLE_ENDIAN);

    /** Creates a kernel. */
    public PanamaRans() {}

    @Override
    public long encode(MemorySegment symbols, long n, RansTables tables, RansContexts contexts, MemorySegment out) {
        return new ScalarRans().encode(symbols, n, tables, contexts, out);
    }

    @Override
    public void decode(MemorySegment in, MemorySegment symbols, long n, RansTables tables, RansContexts contexts)
            throws MalformedDataException {
        long words = RansChecks.decode(in, symbols, n, tables, contexts);
        int[] states = new int[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            states[lane] = RansChecks.initialState(in.get(STATE, words + 4L * lane));
        }
        long whole = n - n % LANES;
        long position = decodeRows(in, words, symbols, whole, tables, contexts, states);
        position = ScalarRans.decodeRange(in, words, position, symbols, whole, n, tables, contexts, states);
        RansChecks.consumed(position, words);
        for (int state : states) {
            RansChecks.finalState(state);
        }
    }

    private static long decodeRows(
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
        int step = LANES % period;
        int[] index = new int[LANES];
        long position = 0;
        int phase = 0;
        for (long i = 0; i < n; i += LANES) {
            // A row reads at most 128 bytes; the states behind the words keep that inside the stream.
            if (position > words) {
                break;
            }
            for (int v = 0; v < LANES; v += WIDTH) {
                IntVector x = IntVector.fromArray(INTS, states, v);
                x.and(RansTables.SLOTS - 1)
                        .add(IntVector.fromArray(INTS, offsets, phase + v))
                        .intoArray(index, v);
                IntVector entry = IntVector.fromArray(INTS, entries, 0, index, v);
                ByteVector s = (ByteVector) entry.convertShape(VectorOperators.I2B, BYTES, 0);
                if (WIDTH >= 8) {
                    s.intoMemorySegment(symbols, i + v, LITTLE_ENDIAN);
                } else {
                    symbols.set(STATE, i + v, s.reinterpretAsInts().lane(0));
                }
                IntVector freq = entry.lanewise(VectorOperators.LSHR, 8).and(0xFFF);
                x = x.lanewise(VectorOperators.LSHR, 12).mul(freq).add(entry.lanewise(VectorOperators.LSHR, 20));
                VectorMask<Integer> renorm = x.lt(STATE_MIN);
                IntVector word = (IntVector) ShortVector.fromMemorySegment(SHORTS, in, position, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
                x = x.blend(x.lanewise(VectorOperators.LSHL, 16).or(word.expand(renorm)), renorm);
                position += 2L * renorm.trueCount();
                x.intoArray(states, v);
            }
            phase += step;
            phase -= phase >= period ? period : 0;
        }
        RansChecks.within(position, words);
        return position;
    }
}
