package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorSpecies;

/** Horizontal minima of many vectors at once: neighbours are folded across pairs of vectors, so no lane idles. */
final class LaneFold {
    private static final VectorSpecies<Short> SHORT = VectorWidth.SHORT;
    private static final int LANES = SHORT.length();
    private static final ShortVector EVEN = ShortVector.zero(SHORT).addIndex(2);
    private static final ShortVector ODD = EVEN.add((short) 1);

    private LaneFold() {}

    /** {@return shorts needed for the vectors of {@code groups} groups} */
    static int capacity(int groups) {
        return (groups + LANES - 1) / LANES * LANES * LANES;
    }

    /** Replaces {@code groups} vectors, back to back in {@code values}, by as many minima at its start. Garbage behind them is harmless. */
    static void minima(short[] values, int groups) {
        int vectors = (groups + LANES - 1) / LANES * LANES;
        for (int lanes = LANES; lanes > 1; lanes /= 2) {
            vectors /= 2;
            stage(values, vectors);
        }
    }

    private static void stage(short[] values, int vectors) {
        for (int i = 0; i < vectors; i++) {
            ShortVector a = ShortVector.fromArray(SHORT, values, 2 * i * LANES);
            ShortVector b = ShortVector.fromArray(SHORT, values, (2 * i + 1) * LANES);
            EVEN.selectFrom(a, b).min(ODD.selectFrom(a, b)).intoArray(values, i * LANES);
        }
    }
}
