package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Decoding of keys to f16: in registers at 512 bits, else in two passes, codes to bytes, then one plain loop that C2 turns into convert,
 * multiply, add, vcvtps2ph and store, with no binary32 scratch between. For codes of 3 and 4 bits.
 */
final class KeyRows {
    private static final VectorSpecies<Byte> BYTE = VectorWidth.BYTE_FOR_SHORT;
    private static final int BYTES = BYTE.length();
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Byte> QUARTER = VectorWidth.BYTE_FOR_INT;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final int LANES = FLOAT.length();
    private static final ShortVector ODD = ShortVector.zero(VectorWidth.SHORT).addIndex(2).add((short) 1);

    private KeyRows() {}

    /**
     * Restores units of 64 codes of 3 or 4 bits in registers, at 512 bits, rounded as {@link RotatedPairs} rounds: only the rows are stored.
     *
     * @param zeros a row of them, and as many steps, that no code takes out of the range of f16
     * @param first of the row in these
     */
    static void half512(int bits, int units, MemorySegment codes, long from, float[] zeros, float[] steps, int first, int channels,
            MemorySegment rows, long to) {
        NativeMemory.require(codes);
        NativeMemory.require(rows);
        int mask = (1 << bits) - 1;
        int c = first;
        for (int u = 0; u < units; u++) {
            IntVector low = (IntVector) ByteVector.fromMemorySegment(QUARTER, codes, from + 32L * u, LE)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INT, 0);
            IntVector high = (IntVector) ByteVector.fromMemorySegment(QUARTER, codes, from + 32L * u + LANES, LE)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INT, 0);
            FloatVector ax = ((FloatVector) low.and(mask).convertShape(VectorOperators.I2F, FLOAT, 0))
                    .mul(FloatVector.fromArray(FLOAT, steps, c)).add(FloatVector.fromArray(FLOAT, zeros, c));
            FloatVector ap = ax.reinterpretAsInts().and(RotatedPairs.EXPONENT).max(RotatedPairs.SMALLEST).add(RotatedPairs.PLACES)
                    .reinterpretAsFloats();
            ShortVector a = ax.add(ap).sub(ap).mul(RotatedPairs.REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(ax.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            FloatVector bx = ((FloatVector) high.and(mask).convertShape(VectorOperators.I2F, FLOAT, 0))
                    .mul(FloatVector.fromArray(FLOAT, steps, c + LANES)).add(FloatVector.fromArray(FLOAT, zeros, c + LANES));
            FloatVector bp = bx.reinterpretAsInts().and(RotatedPairs.EXPONENT).max(RotatedPairs.SMALLEST).add(RotatedPairs.PLACES)
                    .reinterpretAsFloats();
            ShortVector b = bx.add(bp).sub(bp).mul(RotatedPairs.REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(bx.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            ODD.selectFrom(a, b).intoMemorySegment(rows, to + 128L * u, LE);
            low = low.lanewise(VectorOperators.LSHR, bits);
            high = high.lanewise(VectorOperators.LSHR, bits);
            FloatVector dx = ((FloatVector) low.and(mask).convertShape(VectorOperators.I2F, FLOAT, 0))
                    .mul(FloatVector.fromArray(FLOAT, steps, c + 2 * LANES)).add(FloatVector.fromArray(FLOAT, zeros, c + 2 * LANES));
            FloatVector dp = dx.reinterpretAsInts().and(RotatedPairs.EXPONENT).max(RotatedPairs.SMALLEST).add(RotatedPairs.PLACES)
                    .reinterpretAsFloats();
            ShortVector d = dx.add(dp).sub(dp).mul(RotatedPairs.REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(dx.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            FloatVector ex = ((FloatVector) high.and(mask).convertShape(VectorOperators.I2F, FLOAT, 0))
                    .mul(FloatVector.fromArray(FLOAT, steps, c + 3 * LANES)).add(FloatVector.fromArray(FLOAT, zeros, c + 3 * LANES));
            FloatVector ep = ex.reinterpretAsInts().and(RotatedPairs.EXPONENT).max(RotatedPairs.SMALLEST).add(RotatedPairs.PLACES)
                    .reinterpretAsFloats();
            ShortVector e = ex.add(ep).sub(ep).mul(RotatedPairs.REBIAS).reinterpretAsInts().lanewise(VectorOperators.LSHL, 3)
                    .or(ex.reinterpretAsInts().and(Integer.MIN_VALUE)).reinterpretAsShorts();
            ODD.selectFrom(d, e).intoMemorySegment(rows, to + 128L * u + 64, LE);
            c = c + CodeUnits.CODES == first + channels ? first : c + CodeUnits.CODES;
        }
    }

    /** Unpacks {@code units} units to a byte a code. */
    static void unpack(int bits, int units, MemorySegment codes, long from, byte[] target) {
        byte mask = (byte) ((1 << bits) - 1);
        for (int unit = 0; unit < units; unit++) {
            for (int j = 0; j < 32; j += BYTES) {
                ByteVector packed = ByteVector.fromMemorySegment(BYTE, codes, from + 32L * unit + j, ByteOrder.LITTLE_ENDIAN);
                packed.and(mask).intoArray(target, unit * 64 + j);
                // Shifted as shorts: the bits that cross from the upper byte are masked away.
                packed.reinterpretAsShorts().lanewise(VectorOperators.LSHR, bits).reinterpretAsBytes().and(mask)
                        .intoArray(target, unit * 64 + j + 32);
            }
        }
    }

    /** {@code rows[i] = zeros[i] + steps[i] * codes[i]}, rounded to f16. */
    static void restore(byte[] codes, float[] zeros, float[] steps, int count, MemorySegment rows, long to) {
        for (int i = 0; i < count; i++) {
            rows.set(Bounds.SHORT, to + 2L * i, Float.floatToFloat16(zeros[i] + steps[i] * (float) codes[i]));
        }
    }

    /** Repeats the first {@code length} entries {@code times} times in all. */
    static void repeat(float[] values, int length, int times) {
        for (int i = 1; i < times; i++) {
            System.arraycopy(values, 0, values, i * length, length);
        }
    }
}
