package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** {@link GemmKernel} with plain loops on arrays: the readable specification. */
public final class ScalarGemm implements GemmKernel {
    /** Values of a row of c in one array, and of a row of b that meet them. */
    private static final int COLUMNS = 512;
    /** Rows of b in one array. */
    private static final int DEPTH = 256;

    /** Creates the kernel; it has no state. */
    public ScalarGemm() {}

    @Override
    public void multiplyAdd(int m, int n, int k, Operand a, Operand b, Operand c, TransformScratch scratch) {
        check(m, n, k, a, b, c);
        float[] block = scratch.first(DEPTH * COLUMNS);
        float[] sums = scratch.second(COLUMNS);
        for (int j = 0; j < n; j += COLUMNS) {
            int columns = Math.min(COLUMNS, n - j);
            // k = 0 still makes zeros positive.
            for (int p = 0; p == 0 || p < k; p += DEPTH) {
                int depth = Math.min(DEPTH, k - p);
                load(b, p, j, depth, columns, block);
                for (int i = 0; i < m; i++) {
                    MemorySegment.copy(c.memory(), Bounds.FLOAT, c.at(i, j), sums, 0, columns);
                    for (int q = 0; q < depth; q++) {
                        add(a.memory().get(Bounds.FLOAT, a.at(i, p + q)), block, q * COLUMNS, sums, columns);
                    }
                    for (int x = 0; x < columns; x++) {
                        sums[x] += 0f;
                    }
                    MemorySegment.copy(sums, 0, c.memory(), Bounds.FLOAT, c.at(i, j), columns);
                }
            }
        }
    }

    static void check(int m, int n, int k, Operand a, Operand b, Operand c) {
        if (c.transposed()) {
            throw new IllegalArgumentException("the sum is stored by rows");
        }
        a.check(m, k);
        b.check(k, n);
        TransformBounds.checkWritableMatrix(c.memory(), c.offset(), c.stride(), m, n);
    }

    private static void load(Operand b, int p, int j, int depth, int columns, float[] block) {
        for (int q = 0; q < depth; q++) {
            if (b.transposed()) {
                for (int x = 0; x < columns; x++) {
                    block[q * COLUMNS + x] = b.memory().get(Bounds.FLOAT, b.at(p + q, j + x));
                }
            } else {
                MemorySegment.copy(b.memory(), Bounds.FLOAT, b.at(p + q, j), block, q * COLUMNS, columns);
            }
        }
    }

    private static void add(float factor, float[] block, int at, float[] sums, int columns) {
        for (int x = 0; x < columns; x++) {
            sums[x] = Math.fma(factor, block[at + x], sums[x]);
        }
    }
}
