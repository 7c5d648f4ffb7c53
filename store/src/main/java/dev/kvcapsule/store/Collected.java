package dev.kvcapsule.store;

/**
 * What a garbage collection did.
 *
 * @param removed records that are gone
 * @param moved records that were copied to another segment
 * @param freed bytes that the store takes less
 * @param kept records that are left
 */
public record Collected(long removed, long moved, long freed, long kept) {}
