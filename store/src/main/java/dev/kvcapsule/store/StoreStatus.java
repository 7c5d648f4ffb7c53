package dev.kvcapsule.store;

/**
 * A store at a glance.
 *
 * @param records that are there
 * @param recordBytes of what they hold
 * @param segments files
 * @param bytes of segments that are in use: records with their headers, and what a collection would give back
 */
public record StoreStatus(long records, long recordBytes, int segments, long bytes) {}
