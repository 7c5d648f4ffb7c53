package dev.kvcapsule.blas;

import dev.kvcapsule.engine.linalg.BlockedLinearAlgebra;
import dev.kvcapsule.engine.linalg.ProgressListener;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** OpenBLAS, and the LAPACK within it. */
final class OpenBlasLinearAlgebra extends BlockedLinearAlgebra {
    /** Work for 6 GiB; iteration with the same result would take longer below. */
    private static final int COMPLETE_ORDER = 4096;

    private final OpenBlasFunctions functions;
    private final int threads;

    OpenBlasLinearAlgebra(OpenBlasFunctions functions, int threads) {
        super(COMPLETE_ORDER);
        if (threads < 1) {
            throw new IllegalArgumentException(threads + " threads");
        }
        this.functions = functions;
        this.threads = threads;
    }

    @Override
    public String name() {
        return OpenBlasProvider.NAME;
    }

    @Override
    public String description() {
        return functions.config() + ", kernels for " + functions.core();
    }

    @Override
    public int threads() {
        return threads;
    }

    @Override
    public void gemm(boolean transposeA, boolean transposeB, int m, int n, int k, float alpha, MemorySegment a, int lda, MemorySegment b, int ldb,
            float beta, MemorySegment c, int ldc) {
        checkProduct(transposeA, transposeB, m, n, k, a, lda, b, ldb, c, ldc, Float.BYTES);
        if (m > 0 && n > 0) {
            functions.sgemm(threads, transposeA, transposeB, m, n, k, alpha, a, stride(lda), b, stride(ldb), beta, c, ldc);
        }
    }

    @Override
    public void gemm64(boolean transposeA, boolean transposeB, int m, int n, int k, double alpha, MemorySegment a, int lda, MemorySegment b, int ldb,
            double beta, MemorySegment c, int ldc) {
        checkProduct(transposeA, transposeB, m, n, k, a, lda, b, ldb, c, ldc, Double.BYTES);
        if (m > 0 && n > 0) {
            functions.dgemm(threads, transposeA, transposeB, m, n, k, alpha, a, stride(lda), b, stride(ldb), beta, c, ldc);
        }
    }

    /** BLAS wants a positive one even where there is nothing. */
    private static int stride(int given) {
        return Math.max(1, given);
    }

    @Override
    protected double[] solve(MemorySegment a, int n, ProgressListener listener) {
        listener.update("all eigenvectors", 0.05);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocate(8L * n, 64);
            int info = functions.dsyevd(threads, n, a, values);
            if (info != 0) {
                throw new ArithmeticException("dsyevd did not converge: info " + info);
            }
            return values.toArray(ValueLayout.JAVA_DOUBLE);
        }
    }

    @Override
    protected void orthonormalize(MemorySegment q, int rows, int n) {
        int info = functions.orthonormalize(threads, n, rows, q);
        if (info != 0) {
            throw new ArithmeticException("dgeqrf or dorgqr failed: info " + info);
        }
    }
}
