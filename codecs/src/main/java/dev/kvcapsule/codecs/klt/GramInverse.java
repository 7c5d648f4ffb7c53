package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.kernel.GemmKernel.Operand;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Least squares against a rounded basis. Its rows u are no longer orthonormal: what a strong component leaves in the projection on a weak, roughly
 * rounded one is more than that one's own coefficient. Projections times (U U^T)^-1 are the coefficients that restore the vector best.
 *
 * @param matrix f32 {@code [components][components]}, symmetric
 * @param components rows of the basis
 */
record GramInverse(MemorySegment matrix, int components) {
    /** Above this the inverse takes longer than all the rest of an encoding. */
    private static final int MAX_COMPONENTS = 1024;

    /** @return null if there are too many components, or none */
    static GramInverse of(CarriedRows rows, int width, Arena arena) {
        int components = rows.components();
        if (components == 0 || components > MAX_COMPONENTS) {
            return null;
        }
        double[][] gram = rows.gram(width);
        try {
            MemorySegment matrix = arena.allocate(4L * components * components, 64);
            SquareMatrix.write(SquareMatrix.inverse(gram), matrix, 0);
            return new GramInverse(matrix.asReadOnly(), components);
        } catch (ArithmeticException e) {
            // Components that rounding made alike: then projections have to do.
            return null;
        }
    }

    /** f32 {@code [tokens][components]} from {@code projections} to {@code coefficients}, which are apart. */
    void apply(Kernels kernels, MemorySegment projections, int tokens, MemorySegment coefficients, TransformScratch scratch) {
        kernels.memory().fill(coefficients.asSlice(0, 4L * tokens * components), (byte) 0);
        kernels.gemm().multiplyAdd(tokens, components, components, new Operand(projections, 0, components, false), new Operand(matrix, 0, components, false),
                new Operand(coefficients, 0, components, false), scratch);
    }
}
