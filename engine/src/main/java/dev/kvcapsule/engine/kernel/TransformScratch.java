package dev.kvcapsule.engine.kernel;

/**
 * Memory of {@link TransformKernel} and {@link GemmKernel} between calls, for one thread at a time: some megabytes that grow with the number of components (at
 * 3,072 of them 7 MB) and are kept until it is closed. Arrays, since the loops that they are for need those; what comes from and goes to native memory is copied.
 */
public final class TransformScratch implements AutoCloseable {
    private static final float[] NOTHING = {};

    private float[] first = NOTHING;
    private float[] second = NOTHING;
    private float[] third = NOTHING;
    private int[] counts = {};
    private Transposition transposition;
    private int kept;

    /** Empty; memory is taken when it is needed. */
    public TransformScratch() {}

    /** An array of at least this length, with any contents. */
    float[] first(int length) {
        first = atLeast(first, length);
        return first;
    }

    /** As {@link #first}, another one. */
    float[] second(int length) {
        second = atLeast(second, length);
        return second;
    }

    /** As {@link #first}, another one. */
    float[] third(int length) {
        third = atLeast(third, length);
        return third;
    }

    private static float[] atLeast(float[] array, int length) {
        return array.length < length ? new float[length] : array;
    }

    /** At least so many ints, with any contents. */
    int[] counts(int length) {
        if (counts.length < length) {
            counts = new int[length];
        }
        return counts;
    }

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

    @Override
    public void close() {
        first = NOTHING;
        second = NOTHING;
        third = NOTHING;
        counts = new int[0];
        transposition = null;
    }
}
