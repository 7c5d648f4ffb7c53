package dev.kvcapsule.engine.kernel;

/** The arrays of one call of the vector encoder, for up to {@code groups} groups at a time. */
final class GroupScratch {
    final short[] min16;
    final short[] max16;
    final float[] min;
    final float[] max;
    final short[] zeros;
    final short[] steps;
    final float[] zeroValues;
    final float[] inverses;

    GroupScratch(int groups, boolean folds) {
        int whole = (groups + 63) / 64 * 64; // the last vector is handled whole
        int short16 = folds ? LaneFold.capacity(groups) : whole;
        min16 = new short[short16];
        max16 = new short[short16];
        min = new float[whole];
        max = new float[whole];
        zeros = new short[whole];
        steps = new short[whole];
        zeroValues = new float[whole];
        inverses = new float[whole];
    }
}
