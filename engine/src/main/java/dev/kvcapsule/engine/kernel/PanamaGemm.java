package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** {@link GemmKernel} with the Vector API. */
public final class PanamaGemm implements GemmKernel {
    /** Creates the kernel; it has no state. */
    public PanamaGemm() {}

    @Override
    public void multiplyAdd(int m, int n, int k, Operand a, Operand b, Operand c, TransformScratch scratch) {
        ScalarGemm.check(m, n, k, a, b, c);
        new PanamaProduct(n, (row, first, count, to, at) -> row(a, row, first, count, to, at, scratch.transposition()),
                (first, depth, column, to) -> panel(b, first, depth, column, Math.min(PanamaTile.COLUMNS, n - column), to, scratch.transposition()),
                c.memory(), c.offset(), c.stride(), scratch).run(m, k);
    }

    private static void row(Operand a, int row, int first, int count, MemorySegment to, long at, Transposition transposition) {
        if (a.transposed()) {
            transposition.copy(a.memory(), a.at(row, first), 4 * a.stride(), to, at, PanamaTile.A_ROW, count, 1);
        } else {
            MemorySegment.copy(a.memory(), a.at(row, first), to, at, 4L * count);
        }
    }

    private static void panel(Operand b, int first, int depth, int column, int columns, MemorySegment to, Transposition transposition) {
        if (columns < PanamaTile.COLUMNS) {
            to.fill((byte) 0);
        }
        if (b.transposed()) {
            transposition.copy(b.memory(), b.at(first, column), 4 * b.stride(), to, 0, PanamaTile.ROW, columns, depth);
        } else {
            for (int p = 0; p < depth; p++) {
                MemorySegment.copy(b.memory(), b.at(first + p, column), to, p * PanamaTile.ROW, 4L * columns);
            }
        }
    }
}
