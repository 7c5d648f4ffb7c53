package dev.kvcapsule.engine.kernel;

/** Memory of {@link CoefficientKernel} between calls, for one thread at a time; it grows with the matrices. */
public final class CoefficientScratch {
    final MagnitudeModel model = new MagnitudeModel();
    final BitWriter bits = new BitWriter();
    final LaneEncoder encoder = new LaneEncoder();
    final LaneDecoder decoder = new LaneDecoder();
    final int[] block = new int[CoefficientKernel.LANES];
    final int[] symbols = new int[CoefficientKernel.LANES];
    private int[] row = new int[0];

    /** Empty; memory is taken when it is needed. */
    public CoefficientScratch() {}

    /** An array for a row. */
    int[] row(int components) {
        if (row.length < components) {
            row = new int[components];
        }
        return row;
    }
}
