package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Decoding of values through tables: a group has at most 16 different decoded values, so these are rounded once and the codes look
 * them up, 16 bits a lane. For codes of 3 and 4 bits, 16-bit rows, and rows of whole units.
 */
final class ValueTables {
    /** Entries of a table, whatever the code width. */
    static final int ENTRIES = 16;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final int LANES = FLOAT.length();
    private static final int SHORTS = SHORT.length();
    private static final FloatVector COUNT = FloatVector.zero(FLOAT).addIndex(1);

    private ValueTables() {}

    /** The 16 decoded values of each of {@code groups} groups from {@code first}, before rounding. */
    static void values(float[] zeros, float[] steps, int first, int groups, float[] target) {
        for (int g = 0; g < groups; g++) {
            FloatVector step = FloatVector.broadcast(FLOAT, steps[first + g]);
            FloatVector zero = FloatVector.broadcast(FLOAT, zeros[first + g]);
            for (int q = 0; q < ENTRIES; q += LANES) {
                COUNT.add((float) q).mul(step).add(zero).intoArray(target, g * ENTRIES + q);
            }
        }
    }

    /**
     * Looks up rows; {@code tables} has a whole vector of room behind the last table.
     *
     * @param perRow groups a row; channel c has table {@code c >> shift} of its row
     */
    static void lookup(int bits, int units, int count, MemorySegment codes, long from, short[] tables, int perRow, int shift,
            short[] target) {
        short mask = (short) ((1 << bits) - 1);
        int rowTables = perRow * ENTRIES;
        int table = 0;
        int unit = 0;
        for (int i = 0; i < units * count; i++) {
            int first = table + (unit >> shift) * ENTRIES;
            int second = table + ((unit + 32) >> shift) * ENTRIES;
            ShortVector low0 = ShortVector.fromArray(SHORT, tables, first);
            ShortVector low1 = ShortVector.fromArray(SHORT, tables, second);
            ShortVector high0 = SHORTS >= ENTRIES ? low0 : ShortVector.fromArray(SHORT, tables, first + SHORTS);
            ShortVector high1 = SHORTS >= ENTRIES ? low1 : ShortVector.fromArray(SHORT, tables, second + SHORTS);
            for (int j = 0; j < 32; j += SHORTS) {
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, codes, from + 32L * i + j, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                ShortVector q0 = packed.and(mask);
                ShortVector q1 = packed.lanewise(VectorOperators.LSHR, bits).and(mask);
                int at = 64 * i + j;
                (SHORTS >= ENTRIES ? q0.selectFrom(low0) : q0.selectFrom(low0, high0)).intoArray(target, at);
                (SHORTS >= ENTRIES ? q1.selectFrom(low1) : q1.selectFrom(low1, high1)).intoArray(target, at + 32);
            }
            unit += CodeUnits.CODES;
            if (unit == units * CodeUnits.CODES) {
                unit = 0;
                table += rowTables;
            }
        }
    }

    /** Widens one parameter a group to one for each half of a unit, in place, from the back. */
    static void halves(float[] parameters, int rows, int perRow, int halves, int shift) {
        for (int t = rows - 1; t >= 0; t--) {
            for (int h = halves - 1; h >= 0; h--) {
                parameters[t * halves + h] = parameters[t * perRow + (h >> shift)];
            }
        }
    }

    /**
     * Looks up units of 64 codes of 3 or 4 bits straight into the rows, at 512 bits: the two tables of a unit fill a vector, and its
     * upper half's codes index the upper table.
     */
    static void lookup512(int bits, int units, MemorySegment codes, long from, short[] tables, MemorySegment rows, long to) {
        short mask = (short) ((1 << bits) - 1);
        for (int u = 0; u < units; u++) {
            ShortVector table = ShortVector.fromArray(SHORT, tables, u * 2 * ENTRIES);
            ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, codes, from + 32L * u, LE)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
            packed.and(mask).selectFrom(table).intoMemorySegment(rows, to + 128L * u, LE);
            packed.lanewise(VectorOperators.LSHR, bits).and(mask).or((short) ENTRIES).selectFrom(table)
                    .intoMemorySegment(rows, to + 128L * u + 64, LE);
        }
    }

    /** Rounds {@code count} values to the row format. */
    static void round(ElementType type, float[] values, int count, short[] target) {
        if (type == ElementType.F16) {
            half(values, count, target);
        } else {
            for (int i = 0; i < count; i += LANES) {
                PanamaConvert.toBf16(FloatVector.fromArray(FLOAT, values, i)).intoArray(target, i);
            }
        }
    }

    private static void half(float[] values, int count, short[] target) {
        for (int i = 0; i < count; i++) {
            target[i] = Float.floatToFloat16(values[i]);
        }
    }
}
