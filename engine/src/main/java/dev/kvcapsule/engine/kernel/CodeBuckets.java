package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Search of the rotated codec's codes at 512 bits: coefficients fall in 32 buckets of equal width, so narrow that each holds one threshold at
 * most. Two lookups and one comparison then find a code, instead of a comparison and a lookup for each of its bits.
 */
final class CodeBuckets {
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final int BUCKETS = 32;

    private final int shift;
    /** The code of a bucket's least coefficients, and the threshold from which on it is one more. */
    private final short[] bases = new short[BUCKETS];
    private final short[] limits = new short[BUCKETS];

    private CodeBuckets(int shift) {
        this.shift = shift;
    }

    /** {@return the buckets for ascending thresholds; null where some do not fit or vectors have not as many lanes} */
    static CodeBuckets of(short[] thresholds) {
        int most = Math.max(thresholds[thresholds.length - 1], ~thresholds[0]);
        int shift = Math.max(0, 32 - Integer.numberOfLeadingZeros(most) - 4);
        CodeBuckets buckets = new CodeBuckets(shift);
        for (int b = -BUCKETS / 2; b < BUCKETS / 2; b++) {
            int at = b & BUCKETS - 1;
            buckets.limits[at] = Short.MAX_VALUE;
            int inside = 0;
            for (short threshold : thresholds) {
                if (threshold >> shift < b) {
                    buckets.bases[at]++;
                } else if (threshold >> shift == b) {
                    buckets.limits[at] = threshold;
                    inside++;
                }
            }
            if (inside > 1) {
                return null;
            }
        }
        return SHORT.length() == BUCKETS ? buckets : null;
    }

    /** As {@link CodeLanes#search}. */
    void search(short[] centroids, short[] y, short[] codes, short[] chosen, int length) {
        search(ShortVector.fromArray(SHORT, bases, 0), ShortVector.fromArray(SHORT, limits, 0), ShortVector.fromArray(SHORT, centroids, 0), shift, y, codes,
                chosen, length);
    }

    private static void search(ShortVector bases, ShortVector limits, ShortVector centroids, int shift, short[] y, short[] codes, short[] chosen,
            int length) {
        short least = (short) (-BUCKETS / 2 << shift);
        for (int i = 0; i < length; i += BUCKETS) {
            ShortVector value = ShortVector.fromArray(SHORT, y, i);
            ShortVector bucket = value.max(least).min((short) ~least).lanewise(VectorOperators.ASHR, shift);
            ShortVector code = bucket.selectFrom(bases);
            code = code.add((short) 1, value.compare(VectorOperators.GT, bucket.selectFrom(limits)));
            code.intoArray(codes, i);
            code.selectFrom(centroids).intoArray(chosen, i);
        }
    }
}
