package dev.kvcapsule.engine.kernel;

import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.MemorySegment;

/**
 * Memory of {@link TransformKernel} and {@link GemmKernel} between calls, for one thread at a time: a few megabytes that grow with the number of components
 * (at 3,072 components some 8 MB) and are kept until it is closed.
 */
public final class TransformScratch implements AutoCloseable {
    private final GrowingBuffer packed = new GrowingBuffer();
    private final GrowingBuffer panel = new GrowingBuffer();
    private final GrowingBuffer tile = new GrowingBuffer();
    private Transposition transposition;
    private int kept;
    private int[] counts = new int[0];
    private float[] first = new float[0];
    private float[] second = new float[0];

    /** Empty; memory is taken when it is needed. */
    public TransformScratch() {}

    /** Rows whose values are broadcast. */
    MemorySegment packed(long bytes) {
        return packed.atLeast(bytes);
    }

    /** What the vectors of a product are read from. */
    MemorySegment panel(long bytes) {
        return panel.atLeast(bytes);
    }

    /** Sums. */
    MemorySegment tile(long bytes) {
        return tile.atLeast(bytes);
    }

    /** Its arrays; only Panama forms may ask, since it is one. */
    Transposition transposition() {
        if (transposition == null) {
            transposition = new Transposition();
        }
        return transposition;
    }

    /** Makes a value count, so that what it was made from cannot be left out. */
    void keep(int value) {
        kept += value;
    }

    /** At least so many ints, with any contents. */
    int[] counts(int length) {
        if (counts.length < length) {
            counts = new int[length];
        }
        return counts;
    }

    /** At least so many floats on the heap, with any contents: C2 vectorizes plain loops on arrays. */
    float[] first(int length) {
        if (first.length < length) {
            first = new float[length];
        }
        return first;
    }

    /** As {@link #first}, another one. */
    float[] second(int length) {
        if (second.length < length) {
            second = new float[length];
        }
        return second;
    }

    @Override
    public void close() {
        packed.close();
        panel.close();
        tile.close();
    }
}
