package dev.kvcapsule.engine.linalg;

import dev.kvcapsule.engine.kernel.GemmKernel.Operand;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformScratch;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Plain Java on one thread: runs everywhere, for any order, but eigenvectors of more than some 2,000 dimensions take minutes. */
public final class JavaLinearAlgebra extends BlockedLinearAlgebra {
    /** What forces it. */
    public static final String NAME = "java";

    /** More takes minutes. */
    private static final int COMPLETE_ORDER = 2048;

    private final Kernels kernels;

    /**
     * With the best kernels.
     *
     * @param threads threads that it might use; it uses one
     */
    public JavaLinearAlgebra(int threads) {
        super(COMPLETE_ORDER);
        if (threads < 1) {
            throw new IllegalArgumentException(threads + " threads");
        }
        this.kernels = Kernels.best();
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String description() {
        return "Java " + Runtime.version().feature() + ", " + kernels.name() + " kernels";
    }

    @Override
    public int threads() {
        return 1;
    }

    @Override
    public void gemm(boolean transposeA, boolean transposeB, int m, int n, int k, float alpha, MemorySegment a, int lda, MemorySegment b, int ldb,
            float beta, MemorySegment c, int ldc) {
        checkProduct(transposeA, transposeB, m, n, k, a, lda, b, ldb, c, ldc, Float.BYTES);
        // The kernel knows no factors: alpha (p + c beta / alpha).
        float before = alpha == 1 || alpha == 0 ? beta : beta / alpha;
        scale(c, m, n, ldc, before);
        if (alpha != 0) {
            try (TransformScratch scratch = new TransformScratch()) {
                kernels.gemm().multiplyAdd(m, n, k, new Operand(a, 0, lda, transposeA), new Operand(b, 0, ldb, transposeB), new Operand(c, 0, ldc, false),
                        scratch);
            }
            scale(c, m, n, ldc, alpha);
        }
    }

    private static void scale(MemorySegment c, int m, int n, int ldc, float factor) {
        for (int i = 0; factor != 1 && i < m; i++) {
            MemorySegment row = c.asSlice(4L * i * ldc, 4L * n);
            if (factor == 0) {
                // Not a product: c may hold anything.
                row.fill((byte) 0);
            } else {
                for (long j = 0; j < row.byteSize(); j += Float.BYTES) {
                    row.set(Matrices.F32, j, factor * row.get(Matrices.F32, j));
                }
            }
        }
    }

    @Override
    public void gemm64(boolean transposeA, boolean transposeB, int m, int n, int k, double alpha, MemorySegment a, int lda, MemorySegment b, int ldb,
            double beta, MemorySegment c, int ldc) {
        checkProduct(transposeA, transposeB, m, n, k, a, lda, b, ldb, c, ldc, Double.BYTES);
        new Gemm64(transposeA, transposeB, alpha, a, lda, b, ldb, beta, c, ldc).run(m, n, k);
    }

    @Override
    protected double[] solve(MemorySegment a, int n, ProgressListener listener) {
        double[][] rows = new double[n][n];
        for (int i = 0; i < n; i++) {
            MemorySegment.copy(a, Matrices.F64, 8L * i * n, rows[i], 0, n);
        }
        listener.update("tridiagonal form", 0.05);
        Tridiagonal tridiagonal = new Tridiagonal(rows);
        listener.update("eigenvalues", 0.4);
        double[][] vectors = new double[n][n];
        for (int i = 0; i < n; i++) {
            vectors[i][i] = 1;
        }
        double[] values = ImplicitQl.solve(tridiagonal.diagonal(), tridiagonal.besides(), vectors);
        Integer[] order = new Integer[n];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (i, j) -> Double.compare(values[i], values[j]));
        double[] ascending = new double[n];
        for (int i = 0; i < n; i++) {
            ascending[i] = values[order[i]];
            double[] vector = vectors[order[i]];
            tridiagonal.transformBack(vector);
            MemorySegment.copy(vector, 0, a, Matrices.F64, 8L * i * n, n);
        }
        return ascending;
    }

    @Override
    protected void orthonormalize(MemorySegment q, int rows, int n) {
        new GramSchmidt(rows, n).run(q);
    }
}
