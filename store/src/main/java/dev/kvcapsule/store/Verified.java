package dev.kvcapsule.store;

import java.util.List;

/**
 * What looking at every byte of a store found.
 *
 * @param records that are whole
 * @param damaged keys of records that are not
 */
public record Verified(long records, List<StoreKey> damaged) {
    /** Copies the list. */
    public Verified {
        damaged = List.copyOf(damaged);
    }
}
