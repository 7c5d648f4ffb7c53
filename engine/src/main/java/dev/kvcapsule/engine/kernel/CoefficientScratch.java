package dev.kvcapsule.engine.kernel;

/** Memory of {@link CoefficientKernel} between calls, for one thread at a time; it grows with the matrices. */
public final class CoefficientScratch {
    final MagnitudeModel model = new MagnitudeModel();
    final BitWriter bits = new BitWriter();
    final LaneEncoder encoder = new LaneEncoder();
    final LaneDecoder decoder = new LaneDecoder();
    final int[] block = new int[CoefficientKernel.LANES];
    final int[] symbols = new int[CoefficientKernel.LANES];

    /** Empty; memory is taken when it is needed. */
    public CoefficientScratch() {}
}
