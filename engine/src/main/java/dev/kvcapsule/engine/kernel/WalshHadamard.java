package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Walsh-Hadamard transform of 16-bit integers in constant geometry (Pease, 1968): every stage takes neighbours of a pair of vectors,
 * writes sums to the first and differences to the second, and after all stages the order is the natural one.
 */
final class WalshHadamard {
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final int LANES = SHORT.length();
    private static final int STAGES = Integer.numberOfTrailingZeros(2 * LANES);
    private static final ShortVector EVEN = ShortVector.zero(SHORT).addIndex(2);
    private static final ShortVector ODD = EVEN.add((short) 1);

    private WalshHadamard() {}

    /** Transforms each block of {@code block} values; {@code length} is a multiple of 64 and, above 64, of the block. */
    static void transform(short[] values, int length, int block) {
        if (block >= 2 * LANES) {
            pairs(values, length);
            for (int h = 2 * LANES; h < block; h *= 2) {
                across(values, length, h);
            }
        } else {
            small(values, length, Integer.numberOfTrailingZeros(block));
        }
    }

    private static void pairs(short[] values, int length) {
        for (int i = 0; i < length; i += 2 * LANES) {
            ShortVector a = ShortVector.fromArray(SHORT, values, i);
            ShortVector b = ShortVector.fromArray(SHORT, values, i + LANES);
            for (int stage = 0; stage < STAGES; stage++) {
                ShortVector even = EVEN.selectFrom(a, b);
                ShortVector odd = ODD.selectFrom(a, b);
                a = even.add(odd);
                b = even.sub(odd);
            }
            a.intoArray(values, i);
            b.intoArray(values, i + LANES);
        }
    }

    /** Blocks narrower than a pair of vectors: the remaining stages only move values back to their places. */
    private static void small(short[] values, int length, int stages) {
        for (int i = 0; i < length; i += 2 * LANES) {
            ShortVector a = ShortVector.fromArray(SHORT, values, i);
            ShortVector b = ShortVector.fromArray(SHORT, values, i + LANES);
            for (int stage = 0; stage < STAGES; stage++) {
                ShortVector even = EVEN.selectFrom(a, b);
                ShortVector odd = ODD.selectFrom(a, b);
                a = stage < stages ? even.add(odd) : even;
                b = stage < stages ? even.sub(odd) : odd;
            }
            a.intoArray(values, i);
            b.intoArray(values, i + LANES);
        }
    }

    private static void across(short[] values, int length, int h) {
        for (int base = 0; base < length; base += 2 * h) {
            for (int i = base; i < base + h; i += LANES) {
                ShortVector a = ShortVector.fromArray(SHORT, values, i);
                ShortVector b = ShortVector.fromArray(SHORT, values, i + h);
                a.add(b).intoArray(values, i);
                a.sub(b).intoArray(values, i + h);
            }
        }
    }
}
