package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** {@link GemmKernel} with the Vector API. */
public final class PanamaGemm implements GemmKernel {
    /** Creates the kernel; it has no state. */
    public PanamaGemm() {}

    @Override
    public void multiplyAdd(int m, int n, int k, Operand a, Operand b, Operand c, TransformScratch scratch) {
        ScalarGemm.check(m, n, k, a, b, c);
        new PanamaProduct(n, (row, first, count, to, at) -> row(a, row, first, count, to, at, scratch.transposition()), false,
                (first, depth, column, to) -> panel(b, first, depth, column, Math.min(PanamaTile.COLUMNS, n - column), to, scratch.transposition()),
                c.memory(), c.offset(), c.stride(), scratch).run(m, k);
    }

    private static void row(Operand a, int row, int first, int count, float[] to, int at, Transposition transposition) {
        if (a.transposed()) {
            transposition.read(a.memory(), a.at(row, first), 4 * a.stride(), to, at, PanamaTile.DEPTH, count, 1);
        } else {
            MemorySegment.copy(a.memory(), Bounds.FLOAT, a.at(row, first), to, at, count);
        }
    }

    private static void panel(Operand b, int first, int depth, int column, int columns, float[] to, Transposition transposition) {
        if (columns < PanamaTile.COLUMNS) {
            Arrays.fill(to, 0, PanamaTile.DEPTH * PanamaTile.COLUMNS, 0);
        }
        if (b.transposed()) {
            transposition.read(b.memory(), b.at(first, column), 4 * b.stride(), to, 0, PanamaTile.COLUMNS, columns, depth);
        } else {
            for (int p = 0; p < depth; p++) {
                MemorySegment.copy(b.memory(), Bounds.FLOAT, b.at(first + p, column), to, p * PanamaTile.COLUMNS, columns);
            }
        }
    }
}
