package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/**
 * Splits multi-byte elements into byte planes and joins them again: plane p holds byte p of every element. The upper plane of a float has its
 * sign and exponent, which is where the redundancy is (byte shuffle, as in Blosc).
 */
public interface BytePlaneKernel {
    /**
     * @param elements native segment of {@code count} elements of {@code elementBytes} bytes
     * @param elementBytes 1, 2 or 4
     * @param count number of elements
     * @param planes native segment; plane p is written at {@code p * count}
     * @throws IllegalArgumentException if a segment is on the heap
     * @throws IndexOutOfBoundsException if a segment is too small
     */
    void split(MemorySegment elements, int elementBytes, long count, MemorySegment planes);

    /** The inverse of {@link #split}, with the same arguments. */
    void join(MemorySegment planes, int elementBytes, long count, MemorySegment elements);

    /**
     * Counts byte values by position class: {@code histograms[i % period]} gets symbol i.
     *
     * @param symbols native segment
     * @param offset first symbol
     * @param count number of symbols
     * @param period number of classes
     * @param histograms [period][256], added to
     */
    default void count(MemorySegment symbols, long offset, long count, int period, int[][] histograms) {
        Bounds.check(symbols, offset, count);
        for (int phase = 0; phase < period; phase++) {
            int[] histogram = histograms[phase];
            for (long i = phase; i < count; i += period) {
                histogram[symbols.get(java.lang.foreign.ValueLayout.JAVA_BYTE, offset + i) & 0xff]++;
            }
        }
    }
}
