package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Codes of the rotated codec in 16-bit lanes: lookup of centroids, search of codes, packing. */
final class CodeLanes {
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
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

    /** The thresholds as a {@link #table} with threshold k at entry k. */
    static short[] thresholds(short[] thresholds) {
        short[] entries = new short[thresholds.length + 1];
        System.arraycopy(thresholds, 0, entries, 1, thresholds.length);
        return table(entries);
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
            for (int k = 0; k < 32; k += LANES, from += LANES) { // constant bounds: unrolled away
                int j = unit + k;
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.BYTE_FOR_SHORT, codes, from, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, SHORT, 0);
                ShortVector index = packed.and(mask);
                (LANES >= 16 ? index.selectFrom(low) : index.selectFrom(low, high)).intoArray(target, j);
                index = packed.lanewise(VectorOperators.LSHR, bits).and(mask);
                (LANES >= 16 ? index.selectFrom(low) : index.selectFrom(low, high)).intoArray(target, j + 32);
            }
        }
    }

    private static void narrowCentroids(short[] table, MemorySegment codes, long offset, int units, short[] target) {
        ShortVector entries = ShortVector.fromArray(NARROW, table, 0);
        long from = offset;
        for (int unit = 0; unit < units * CodeUnits.CODES; unit += CodeUnits.CODES) {
            for (int k = 0; k < 16; k += NARROW.length(), from += NARROW.length()) { // constant bounds: unrolled away
                int j = unit + k;
                ShortVector packed = (ShortVector) ByteVector.fromMemorySegment(VectorWidth.CODE_BYTE, codes, from, LE)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2S, NARROW, 0);
                packed.and((short) 3).selectFrom(entries).intoArray(target, j);
                packed.lanewise(VectorOperators.LSHR, 2).and((short) 3).selectFrom(entries).intoArray(target, j + 16);
                packed.lanewise(VectorOperators.LSHR, 4).and((short) 3).selectFrom(entries).intoArray(target, j + 32);
                packed.lanewise(VectorOperators.LSHR, 6).and((short) 3).selectFrom(entries).intoArray(target, j + 48);
            }
        }
    }

    /**
     * Codes of {@code length} coefficients (a multiple of 64) by binary search in the table of thresholds, threshold k at entry k, and
     * the centroids chosen.
     */
    static void search(int bits, short[] table, short[] centroids, short[] y, short[] codes, short[] chosen, int length) {
        ShortVector lowCentroids = ShortVector.fromArray(SHORT, centroids, 0);
        ShortVector highCentroids = ShortVector.fromArray(SHORT, centroids, LANES >= 16 ? 0 : LANES);
        ShortVector low = ShortVector.fromArray(SHORT, table, 0);
        ShortVector high = ShortVector.fromArray(SHORT, table, LANES >= 16 ? 0 : LANES);
        short middle = table[1 << (bits - 1)];
        short half = (short) (1 << (bits - 1));
        for (int i = 0; i < length; i += LANES) {
            ShortVector value = ShortVector.fromArray(SHORT, y, i);
            ShortVector code = ShortVector.zero(SHORT).blend(half, value.compare(VectorOperators.GT, middle));
            ShortVector next;
            ShortVector limit;
            if (bits == 4) {
                next = code.or((short) 4);
                limit = LANES >= 16 ? next.selectFrom(low) : next.selectFrom(low, high);
                code = code.blend(next, value.compare(VectorOperators.GT, limit));
            }
            if (bits >= 3) {
                next = code.or((short) 2);
                limit = LANES >= 16 ? next.selectFrom(low) : next.selectFrom(low, high);
                code = code.blend(next, value.compare(VectorOperators.GT, limit));
            }
            next = code.or((short) 1);
            limit = LANES >= 16 ? next.selectFrom(low) : next.selectFrom(low, high);
            code = code.blend(next, value.compare(VectorOperators.GT, limit));
            code.intoArray(codes, i);
            (LANES >= 16 ? code.selectFrom(lowCentroids) : code.selectFrom(lowCentroids, highCentroids)).intoArray(chosen, i);
        }
    }

    /** Packs codes of 2 to 4 bits. */
    static void pack(int bits, short[] source, int units, MemorySegment codes, long offset) {
        long to = offset;
        for (int unit = 0; unit < units * CodeUnits.CODES; unit += CodeUnits.CODES) {
            if (bits == 2) {
                for (int k = 0; k < 16; k += NARROW.length(), to += NARROW.length()) { // constant bounds: unrolled away
                    int j = unit + k;
                    ShortVector packed = ShortVector.fromArray(NARROW, source, j)
                            .or(ShortVector.fromArray(NARROW, source, j + 16).lanewise(VectorOperators.LSHL, 2))
                            .or(ShortVector.fromArray(NARROW, source, j + 32).lanewise(VectorOperators.LSHL, 4))
                            .or(ShortVector.fromArray(NARROW, source, j + 48).lanewise(VectorOperators.LSHL, 6));
                    ((ByteVector) packed.convertShape(VectorOperators.S2B, VectorWidth.CODE_BYTE, 0)).intoMemorySegment(codes, to, LE);
                }
            } else {
                for (int k = 0; k < 32; k += LANES, to += LANES) { // constant bounds: unrolled away
                    int j = unit + k;
                    ShortVector packed = ShortVector.fromArray(SHORT, source, j)
                            .or(ShortVector.fromArray(SHORT, source, j + 32).lanewise(VectorOperators.LSHL, bits));
                    ((ByteVector) packed.convertShape(VectorOperators.S2B, VectorWidth.BYTE_FOR_SHORT, 0)).intoMemorySegment(codes, to, LE);
                }
            }
        }
    }
}
