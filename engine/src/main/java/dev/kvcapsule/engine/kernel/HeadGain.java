package dev.kvcapsule.engine.kernel;

/** The per-head scalars of the rotated codec. */
final class HeadGain {
    private HeadGain() {}

    /** Root mean square from a head's energy, binary32 throughout; exact rounding of the root through double. */
    static float rootMeanSquare(float energy, int headDim) {
        return (float) Math.sqrt(energy / headDim);
    }

    /** The gain before it is rounded: the least-squares slope (sum y c / sum c c) in units of the head's root mean square. */
    static float slope(RotationTables tables, float rootMeanSquare, long product, long square) {
        return (float) ((double) rootMeanSquare * product / square * tables.gainScale);
    }

    /** The factor of the inverse transform's integers. */
    static float factor(RotationTables tables, ElementType parameter, short gain) {
        return FloatBits.from16(parameter, gain) * tables.decodeScale;
    }
}
