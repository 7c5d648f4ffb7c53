package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Codes of the rotated codec in 16-bit lanes: lookup of centroids, search of codes, packing. */
final class CodeLanes {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final int LANES = SHORT.length();
    private static final VectorSpecies<Short> NARROW = VectorWidth.CODE_SHORT;

    private CodeLanes() {}

    /** A table of up to 16 entries repeated to the 32 lanes of the widest vector. */
    static short[] table(short[] entries) {
        short[] table = new short[32];
        for (int i = 0; i < 16; i++) {
            table[i] = i < entries.length ? entries[i] : 0;
            table[i + 16] = table[i];
        }
        return table;
    }

    /** Entry {@code index} (0 .. 15) of a {@link #table}, given as two vectors that are needed only when one has less than 16 lanes. */
    private static ShortVector lookup(ShortVector index, ShortVector low, ShortVector high) {
        return LANES >= 16 ? index.selectFrom(low) : index.selectFrom(low, high);
    }

    /** Unpacks {@code units} units of codes and puts each code's table entry. */
    static void centroids(int bits, short[] table, MemorySegment codes, long offset, int units, short[] target) {
        if (bits == 2) {
            narrowCentroids(table, codes, offset, units, target);
            return;
        }
        ShortVector low = ShortVector.fromArray(SHORT, table, 0);
        ShortVector high = ShortVector.fromArray(SHORT, table, LANES >= 16 ? 0 : LANES);
        short mask = (short) ((1 << bits) - 1);
        long from = offset;
        for (int unit = 0; unit < units * CodeUnits.CODES; unit += CodeUnits.CODES) {
            for (int j = unit; j < unit + 32; j += LANES, from += LANES) {
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, codes, from, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                lookup(packed.and(mask), low, high).intoArray(target, j);
                lookup(packed.lanewise(VectorOperators.LSHR, bits).and(mask), low, high).intoArray(target, j + 32);
            }
        }
    }

    private static void narrowCentroids(short[] table, MemorySegment codes, long offset, int units, short[] target) {
        ShortVector entries = ShortVector.fromArray(NARROW, table, 0);
        long from = offset;
        for (int unit = 0; unit < units * CodeUnits.CODES; unit += CodeUnits.CODES) {
            for (int j = unit; j < unit + 16; j += NARROW.length(), from += NARROW.length()) {
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, from, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, NARROW, 0);
                packed.and((short) 3).selectFrom(entries).intoArray(target, j);
                packed.lanewise(VectorOperators.LSHR, 2).and((short) 3).selectFrom(entries).intoArray(target, j + 16);
                packed.lanewise(VectorOperators.LSHR, 4).and((short) 3).selectFrom(entries).intoArray(target, j + 32);
                packed.lanewise(VectorOperators.LSHR, 6).and((short) 3).selectFrom(entries).intoArray(target, j + 48);
            }
        }
    }

    /** Codes of {@code length} coefficients (a multiple of 64) by binary search in the table of thresholds. */
    static void search(int bits, short[] table, short[] y, short[] codes, int length) {
        ShortVector low = ShortVector.fromArray(SHORT, table, 0);
        ShortVector high = ShortVector.fromArray(SHORT, table, LANES >= 16 ? 0 : LANES);
        short middle = (short) (1 << (bits - 1));
        for (int i = 0; i < length; i += LANES) {
            ShortVector value = ShortVector.fromArray(SHORT, y, i);
            ShortVector code = ShortVector.zero(SHORT).blend(middle, value.compare(VectorOperators.GT, table[middle - 1]));
            for (int step = middle / 2; step > 0; step /= 2) {
                ShortVector next = code.add((short) step);
                ShortVector threshold = lookup(next.sub((short) 1), low, high);
                code = code.blend(next, value.compare(VectorOperators.GT, threshold));
            }
            code.intoArray(codes, i);
        }
    }

    /** Packs codes of 2 to 4 bits. */
    static void pack(int bits, short[] source, int units, MemorySegment codes, long offset) {
        long to = offset;
        for (int unit = 0; unit < units * CodeUnits.CODES; unit += CodeUnits.CODES) {
            if (bits == 2) {
                for (int j = unit; j < unit + 16; j += NARROW.length(), to += NARROW.length()) {
                    ShortVector packed = ShortVector.fromArray(NARROW, source, j)
                            .or(ShortVector.fromArray(NARROW, source, j + 16).lanewise(VectorOperators.LSHL, 2))
                            .or(ShortVector.fromArray(NARROW, source, j + 32).lanewise(VectorOperators.LSHL, 4))
                            .or(ShortVector.fromArray(NARROW, source, j + 48).lanewise(VectorOperators.LSHL, 6));
                    packed.convertShape(VectorOperators.S2B, VectorWidth.CODE_BYTE, 0).reinterpretAsBytes().intoMemorySegment(codes, to, LE);
                }
            } else {
                for (int j = unit; j < unit + 32; j += LANES, to += LANES) {
                    ShortVector packed = ShortVector.fromArray(SHORT, source, j)
                            .or(ShortVector.fromArray(SHORT, source, j + 32).lanewise(VectorOperators.LSHL, bits));
                    packed.convertShape(VectorOperators.S2B, VectorWidth.BYTE_FOR_SHORT, 0).reinterpretAsBytes()
                            .intoMemorySegment(codes, to, LE);
                }
            }
        }
    }

    /** One vector each of partial sums of y c and c c over a head whose length is a multiple of the lanes. */
    static void sums(short[] y, short[] codes, short[] table, int from, int dim, int[] products, int[] squares, int to) {
        ShortVector low = ShortVector.fromArray(SHORT, table, 0);
        ShortVector high = ShortVector.fromArray(SHORT, table, LANES >= 16 ? 0 : LANES);
        IntVector product = IntVector.zero(INT);
        IntVector square = IntVector.zero(INT);
        for (int i = from; i < from + dim; i += LANES) {
            ShortVector value = ShortVector.fromArray(SHORT, y, i);
            ShortVector centroid = lookup(ShortVector.fromArray(SHORT, codes, i), low, high);
            IntVector c0 = (IntVector) centroid.convertShape(VectorOperators.S2I, INT, 0);
            IntVector c1 = (IntVector) centroid.convertShape(VectorOperators.S2I, INT, 1);
            IntVector y0 = (IntVector) value.convertShape(VectorOperators.S2I, INT, 0);
            IntVector y1 = (IntVector) value.convertShape(VectorOperators.S2I, INT, 1);
            product = product.add(y0.mul(c0)).add(y1.mul(c1));
            square = square.add(c0.mul(c0)).add(c1.mul(c1));
        }
        product.intoArray(products, to);
        square.intoArray(squares, to);
    }
}
