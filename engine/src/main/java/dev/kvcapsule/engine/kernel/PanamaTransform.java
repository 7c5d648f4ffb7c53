package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * {@link TransformKernel} with the Vector API. Vectors run along the outputs, never along a sum: along a row where rows are made, along the tokens where
 * coefficients are, so that the order of additions does not depend on the vector width.
 */
public final class PanamaTransform implements TransformKernel {
    /** Groups of rows that are brought from memory together. */
    private static final int AHEAD = 8;

    /** Creates the kernel; it has no state. */
    public PanamaTransform() {}

    @Override
    public void synthesize(TransformBasis basis, MemorySegment coefficients, long from, long fromStride, MemorySegment rows, long to, long toStride, int tokens,
            TransformScratch scratch) {
        TransformBounds.checkSynthesis(basis, coefficients, from, fromStride, rows, to, toStride, tokens);
        new PanamaProduct(basis.width(),
                (token, first, count, packed, at) -> MemorySegment.copy(coefficients, Bounds.FLOAT, from + 4 * (token * fromStride + first), packed, at, count), true,
                (first, depth, column, panel) -> {
                    scratch.keep(BasisRows.touch(basis, first, depth, column, PanamaTile.COLUMNS));
                    for (int k = 0; k < depth; k++) {
                        BasisRows.write(basis, first + k, column, PanamaTile.COLUMNS, panel, k * PanamaTile.COLUMNS);
                    }
                }, rows, to, toStride, scratch).run(tokens, basis.components());
    }

    @Override
    public void analyze(TransformBasis basis, MemorySegment rows, long from, long fromStride, MemorySegment coefficients, long to, long toStride, int tokens,
            TransformScratch scratch) {
        TransformBounds.checkAnalysis(basis, rows, from, fromStride, coefficients, to, toStride, tokens);
        for (int t = 0; t < tokens; t += PanamaTile.COLUMNS) {
            project(basis, rows, from + 4 * t * fromStride, fromStride, coefficients, to + 4 * t * toStride, toStride, Math.min(PanamaTile.COLUMNS, tokens - t), scratch);
        }
    }

    /** The tokens of one tile; sums are kept with components as rows. */
    private static void project(TransformBasis basis, MemorySegment rows, long from, long fromStride, MemorySegment coefficients, long to, long toStride, int tokens,
            TransformScratch scratch) {
        int components = basis.components();
        int vectors = Math.ceilDiv(tokens, PanamaTile.LANES);
        int groups = Math.ceilDiv(components, PanamaTile.ROWS);
        int sumsOfGroup = PanamaTile.ROWS * PanamaTile.COLUMNS;
        float[] sums = scratch.second(Math.multiplyExact(groups, sumsOfGroup));
        Arrays.fill(sums, 0, groups * sumsOfGroup, 0);
        float[] panel = scratch.third(PanamaTile.DEPTH * PanamaTile.COLUMNS);
        // Columns without a token must not hold what slows arithmetic down.
        Arrays.fill(panel, 0, PanamaTile.DEPTH * PanamaTile.COLUMNS, 0);
        float[] packed = scratch.first(PanamaTile.ROWS * PanamaTile.DEPTH);
        for (int w = 0; w < basis.width(); w += PanamaTile.DEPTH) {
            int depth = Math.min(PanamaTile.DEPTH, basis.width() - w);
            scratch.transposition().read(rows, from + 4L * w, 4 * fromStride, panel, 0, PanamaTile.COLUMNS, tokens, depth);
            int padded = Math.ceilDiv(depth, PanamaTile.LANES) * PanamaTile.LANES;
            for (int g = 0; g < groups; g++) {
                if (g % AHEAD == 0) {
                    scratch.keep(BasisRows.touch(basis, g * PanamaTile.ROWS, AHEAD * PanamaTile.ROWS, w, depth));
                }
                for (int r = 0; r < PanamaTile.ROWS; r++) {
                    // Beyond the last component some other row will do: nobody reads those sums.
                    int k = Math.min(components - 1, g * PanamaTile.ROWS + r);
                    BasisRows.write(basis, k, w, padded, packed, r * PanamaTile.DEPTH);
                }
                PanamaTile.dense(packed, 0, panel, depth, sums, g * sumsOfGroup, vectors);
            }
        }
        PanamaTile.positiveZeros(sums, 0, components * PanamaTile.COLUMNS);
        scratch.transposition().write(sums, 0, PanamaTile.COLUMNS, coefficients, to, 4 * toStride, components, tokens);
    }
}
