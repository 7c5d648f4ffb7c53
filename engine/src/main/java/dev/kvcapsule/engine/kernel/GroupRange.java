package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Minima and maxima of groups, found on integers: x ^ ((x >> 15) &amp; 0x7fff) orders 16-bit floats as signed integers, -0 just below
 * +0, infinities and NaN at the ends, where the caller sees them. Rows are a multiple of 64 channels wide here.
 */
final class GroupRange {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final int SHORTS = SHORT.length();
    private static final int INTS = INT.length();

    private GroupRange() {}

    /** Ranges of {@code channels} channels over {@code tokens} tokens, as 16-bit float patterns. */
    static void keys16(MemorySegment rows, long offset, int tokens, int channels, short[] min, short[] max, int at) {
        for (int c = 0; c < channels; c += SHORTS) {
            ShortVector low = ShortVector.broadcast(SHORT, Short.MAX_VALUE);
            ShortVector high = ShortVector.broadcast(SHORT, Short.MIN_VALUE);
            for (int t = 0; t < tokens; t++) {
                ShortVector x = ShortVector.fromMemorySegment(SHORT, rows, offset + 2L * ((long) t * channels + c), LE);
                ShortVector key = x.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, x);
                low = low.min(key);
                high = high.max(key);
            }
            low.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, low).intoArray(min, at + c);
            high.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, high).intoArray(max, at + c);
        }
    }

    /** As {@link #keys16} for binary32. */
    static void keys32(MemorySegment rows, long offset, int tokens, int channels, float[] min, float[] max, int at) {
        for (int c = 0; c < channels; c += INTS) {
            IntVector low = IntVector.broadcast(INT, Integer.MAX_VALUE);
            IntVector high = IntVector.broadcast(INT, Integer.MIN_VALUE);
            for (int t = 0; t < tokens; t++) {
                IntVector x = IntVector.fromMemorySegment(INT, rows, offset + 4L * ((long) t * channels + c), LE);
                IntVector key = x.lanewise(VectorOperators.ASHR, 31).and(Integer.MAX_VALUE).lanewise(VectorOperators.XOR, x);
                low = low.min(key);
                high = high.max(key);
            }
            pattern(low).intoArray(min, at + c);
            pattern(high).intoArray(max, at + c);
        }
    }

    private static FloatVector pattern(IntVector key) {
        return key.lanewise(VectorOperators.ASHR, 31).and(Integer.MAX_VALUE).lanewise(VectorOperators.XOR, key).reinterpretAsFloats();
    }

    /**
     * Ranges of the groups of one token, as keys, one vector a group: {@code min} gets the lane minima and {@code notMax} the lane
     * minima of the complements, both for {@link LaneFold}.
     */
    static void values16(MemorySegment rows, long offset, int channels, int group, short[] min, short[] notMax, int at) {
        int to = at;
        for (int from = 0; from < channels; from += group, to += SHORTS) {
            int end = Math.min(from + group, channels);
            ShortVector low = ShortVector.broadcast(SHORT, Short.MAX_VALUE);
            ShortVector high = ShortVector.broadcast(SHORT, Short.MIN_VALUE);
            for (int c = from; c < end; c += SHORTS) {
                ShortVector x = ShortVector.fromMemorySegment(SHORT, rows, offset + 2L * c, LE);
                ShortVector key = x.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, x);
                low = low.min(key);
                high = high.max(key);
            }
            low.intoArray(min, to);
            high.not().intoArray(notMax, to);
        }
    }

    /** Ranges of the groups of one token of binary32. */
    static void values32(MemorySegment rows, long offset, int channels, int group, float[] min, float[] max, int at) {
        int to = at;
        for (int from = 0; from < channels; from += group, to++) {
            int end = Math.min(from + group, channels);
            IntVector low = IntVector.broadcast(INT, Integer.MAX_VALUE);
            IntVector high = IntVector.broadcast(INT, Integer.MIN_VALUE);
            for (int c = from; c < end; c += INTS) {
                IntVector x = IntVector.fromMemorySegment(INT, rows, offset + 4L * c, LE);
                IntVector key = x.lanewise(VectorOperators.ASHR, 31).and(Integer.MAX_VALUE).lanewise(VectorOperators.XOR, x);
                low = low.min(key);
                high = high.max(key);
            }
            int least = low.reduceLanes(VectorOperators.MIN);
            int most = high.reduceLanes(VectorOperators.MAX);
            min[to] = Float.intBitsToFloat(least ^ ((least >> 31) & Integer.MAX_VALUE));
            max[to] = Float.intBitsToFloat(most ^ ((most >> 31) & Integer.MAX_VALUE));
        }
    }

    /** Keys, or complements of keys if {@code flip} is -1, back to 16-bit float patterns. */
    static void patterns(short[] keys, int flip, int count) {
        for (int i = 0; i < count; i++) {
            int key = keys[i] ^ flip;
            keys[i] = (short) (key ^ ((key >> 15) & 0x7fff));
        }
    }
}
