package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
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

    /**
     * Ranges of {@code channels} channels over {@code tokens} tokens, as keys: {@code min} gets the minima, {@code max} the maxima. Row
     * by row, because columns would defeat the hardware's prefetching.
     */
    static void keys16(MemorySegment rows, long offset, int tokens, int channels, short[] min, short[] max, int at) {
        Arrays.fill(min, at, at + channels, Short.MAX_VALUE);
        Arrays.fill(max, at, at + channels, Short.MIN_VALUE);
        long row = 2L * channels;
        int t = 0;
        for (; t <= tokens - 4; t += 4) {
            rows16(rows, offset + t * row, row, channels, min, max, at);
        }
        for (; t < tokens; t++) {
            rows16(rows, offset + t * row, 0, channels, min, max, at);
        }
    }

    /** Four rows that lie {@code row} bytes apart; 0 takes the first alone. */
    private static void rows16(MemorySegment rows, long first, long row, int channels, short[] min, short[] max, int at) {
        for (int i = 0; i < channels; i += SHORTS) {
            long from = first + 2L * i;
            ShortVector a = ShortVector.fromMemorySegment(SHORT, rows, from, LE);
            ShortVector b = ShortVector.fromMemorySegment(SHORT, rows, from + row, LE);
            ShortVector c = ShortVector.fromMemorySegment(SHORT, rows, from + 2 * row, LE);
            ShortVector d = ShortVector.fromMemorySegment(SHORT, rows, from + 3 * row, LE);
            a = a.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, a);
            b = b.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, b);
            c = c.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, c);
            d = d.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, d);
            ShortVector.fromArray(SHORT, min, at + i).min(a.min(b).min(c.min(d))).intoArray(min, at + i);
            ShortVector.fromArray(SHORT, max, at + i).max(a.max(b).max(c.max(d))).intoArray(max, at + i);
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
            ShortVector low = key(ShortVector.fromMemorySegment(SHORT, rows, offset + 2L * from, LE));
            ShortVector high = low;
            for (int c = from + SHORTS; c < end; c += SHORTS) {
                ShortVector key = key(ShortVector.fromMemorySegment(SHORT, rows, offset + 2L * c, LE));
                low = low.min(key);
                high = high.max(key);
            }
            low.intoArray(min, to);
            high.lanewise(VectorOperators.XOR, (short) -1).intoArray(notMax, to);
        }
    }

    private static ShortVector key(ShortVector x) {
        return x.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, x);
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

    /** Keys, or complements of keys if {@code flip} is -1, back to 16-bit float patterns; handles whole vectors. */
    static void patterns(short[] keys, int flip, int count) {
        for (int i = 0; i < count; i += SHORTS) {
            ShortVector key = ShortVector.fromArray(SHORT, keys, i).lanewise(VectorOperators.XOR, (short) flip);
            key.lanewise(VectorOperators.ASHR, 15).and(Short.MAX_VALUE).lanewise(VectorOperators.XOR, key).intoArray(keys, i);
        }
    }

    /** 16-bit float patterns as binary32 values. */
    static void widen(ElementType type, short[] bits, float[] values, int count) {
        if (type == ElementType.F16) {
            for (int i = 0; i < count; i++) {
                values[i] = Float.float16ToFloat(bits[i]);
            }
        } else {
            for (int i = 0; i < count; i += INTS) {
                IntVector wide = (IntVector) ShortVector.fromArray(VectorWidth.SHORT_FOR_INT, bits, i).convertShape(VectorOperators.S2I, INT, 0);
                wide.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(values, i);
            }
        }
    }
}
