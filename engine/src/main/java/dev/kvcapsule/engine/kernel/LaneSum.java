package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/** Sums of many short runs at once: neighbours are added across pairs of vectors, which fixes the order of the additions. */
final class LaneSum {
    /** Runs are handled in this many at a time, so that every stage has whole pairs of vectors. */
    static final int RUNS = 16;
    private static final VectorSpecies<Integer> INT = VectorWidth.INT;
    private static final VectorSpecies<Float> FLOAT = VectorWidth.FLOAT;
    private static final int LANES = INT.length();
    private static final IntVector EVEN = IntVector.zero(INT).addIndex(2);
    private static final IntVector ODD = EVEN.add(1);

    private LaneSum() {}

    /** {@return room for {@code runs} runs of {@code length}} */
    static int capacity(int runs, int length) {
        return (runs + RUNS - 1) / RUNS * RUNS * length;
    }

    /** Replaces {@code runs} runs of {@code length} values (a power of two) by their sums, neighbours first, stage by stage. */
    static void ints(int[] values, int runs, int length) {
        int left = capacity(runs, length);
        for (int l = length; l > 1; l /= 2) {
            left /= 2;
            for (int i = 0; i < left; i += LANES) {
                IntVector a = IntVector.fromArray(INT, values, 2 * i);
                IntVector b = IntVector.fromArray(INT, values, 2 * i + LANES);
                EVEN.selectFrom(a, b).add(ODD.selectFrom(a, b)).intoArray(values, i);
            }
        }
    }

    /** As {@link #ints}. */
    static void floats(float[] values, int runs, int length) {
        int left = capacity(runs, length);
        for (int l = length; l > 1; l /= 2) {
            left /= 2;
            for (int i = 0; i < left; i += LANES) {
                IntVector a = FloatVector.fromArray(FLOAT, values, 2 * i).reinterpretAsInts();
                IntVector b = FloatVector.fromArray(FLOAT, values, 2 * i + LANES).reinterpretAsInts();
                FloatVector even = EVEN.selectFrom(a, b).reinterpretAsFloats();
                even.add(ODD.selectFrom(a, b).reinterpretAsFloats()).intoArray(values, i);
            }
        }
    }
}
