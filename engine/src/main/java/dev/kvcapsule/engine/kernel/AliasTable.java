package dev.kvcapsule.engine.kernel;

import java.util.Arrays;

/**
 * Assigns the 4096 slots of one model to its symbols by the alias method, so that a slot's symbol
 * follows from tables of 256 entries, which a CPU can look up in registers, instead of 4096.
 *
 * <p>Slot = 256 * place + bucket, place 0..15. Bucket b gives its places below {@code split[b]} to
 * symbol b and the others to symbol {@code alias[b]}. A symbol's slots are ranked from 0: first those
 * in its own bucket by place, then those in other buckets by bucket and place.
 *
 * <p>Sources: A. J. Walker, "An efficient method for generating discrete random variables with
 * general distributions", ACM TOMS 3(3), 1977; F. Giesen's use of it for rANS, arXiv 1402.3392.
 */
final class AliasTable {
    static final int PLACES = RansTables.SLOTS / RansTables.SYMBOLS;

    /** Per bucket, the places that belong to the symbol of the same number: 0..16. */
    final int[] split = new int[RansTables.SYMBOLS];

    /** Per bucket, the symbol of the other places. */
    final int[] alias = new int[RansTables.SYMBOLS];

    /** Per bucket, what to add to one of the other places to get the rank of the slot; may be negative. */
    final int[] shift = new int[RansTables.SYMBOLS];

    /**
     * @param freq 256 frequencies of 0..4095 and sum 4096
     */
    AliasTable(int[] freq) {
        int[] left = freq.clone();
        Arrays.fill(split, PLACES);
        Arrays.setAll(alias, b -> b);
        int donor = 0;
        for (int b = 0; b < freq.length; b++) {
            // A donor that gave too much is the next bucket with room; those before it are complete.
            for (int open = freq[b] < PLACES ? b : -1; open >= 0; open = left[donor] < PLACES ? donor : -1) {
                while (left[donor] <= PLACES) {
                    donor++;
                }
                split[open] = left[open];
                alias[open] = donor;
                left[donor] -= PLACES - left[open];
            }
        }
        int[] rank = split.clone();
        for (int b = 0; b < freq.length; b++) {
            if (split[b] < PLACES) {
                shift[b] = rank[alias[b]] - split[b];
                rank[alias[b]] += PLACES - split[b];
            }
        }
    }
}
