package dev.kvcapsule.blas;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * The functions of libopenblas that are used, with 32-bit integers. The count of threads is the process's: calls that want the
 * same one run side by side, others wait until those have ended.
 *
 * @see <a href="https://netlib.org/lapack/explore-html/">the LAPACK reference</a>
 */
final class OpenBlasFunctions {
    /** Columns that LAPACK factors together, at most. */
    private static final int BLOCK = 128;
    private static final int ROW_MAJOR = 101;
    private static final int NO_TRANSPOSE = 111;
    private static final int TRANSPOSE = 112;

    private final ReentrantReadWriteLock calls = new ReentrantReadWriteLock();
    private int currentThreads;

    private final MethodHandle setThreads;
    private final MethodHandle config;
    private final MethodHandle core;
    private final MethodHandle sgemm;
    private final MethodHandle dgemm;
    private final MethodHandle dsyevd;
    private final MethodHandle dgeqrf;
    private final MethodHandle dorgqr;

    /** @throws IllegalStateException if one is missing */
    OpenBlasFunctions(SymbolLookup library) {
        setThreads = bind(library, "openblas_set_num_threads", FunctionDescriptor.ofVoid(JAVA_INT));
        config = bind(library, "openblas_get_config", FunctionDescriptor.of(ADDRESS));
        core = bind(library, "openblas_get_corename", FunctionDescriptor.of(ADDRESS));
        sgemm = bind(library, "cblas_sgemm", gemm(JAVA_FLOAT));
        dgemm = bind(library, "cblas_dgemm", gemm(JAVA_DOUBLE));
        // The last two are the lengths of the two strings, as gfortran passes them.
        dsyevd = bind(library, "dsyevd_", FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
                ADDRESS, JAVA_LONG, JAVA_LONG));
        dgeqrf = bind(library, "dgeqrf_", FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
        dorgqr = bind(library, "dorgqr_", FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
    }

    private static FunctionDescriptor gemm(MemoryLayout real) {
        return FunctionDescriptor.ofVoid(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, real, ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, real, ADDRESS,
                JAVA_INT);
    }

    @SuppressWarnings("restricted") // calling native code is what this is for
    private static MethodHandle bind(SymbolLookup library, String name, FunctionDescriptor descriptor) {
        MemorySegment function = library.find(name).orElseThrow(() -> new IllegalStateException("the library has no function " + name));
        return Linker.nativeLinker().downcallHandle(function, descriptor);
    }

    /** Version and build. */
    String config() {
        return text(config);
    }

    /** The processor whose kernels are used. */
    String core() {
        return text(core);
    }

    @SuppressWarnings("restricted") // a C string has no length
    private static String text(MethodHandle function) {
        try {
            return ((MemorySegment) function.invokeExact()).reinterpret(1024).getString(0).strip();
        } catch (Throwable e) {
            throw failed(e);
        }
    }

    /** What can be called with a number of threads set. */
    private interface Call<T> {
        T run() throws Throwable;
    }

    private <T> T with(int threads, Call<T> call) {
        calls.readLock().lock();
        try {
            if (currentThreads != threads) {
                calls.readLock().unlock();
                calls.writeLock().lock();
                try {
                    setThreads.invokeExact(threads);
                    currentThreads = threads;
                } finally {
                    // Whoever waits to set another number waits for this call too.
                    calls.readLock().lock();
                    calls.writeLock().unlock();
                }
            }
            return call.run();
        } catch (Throwable e) {
            throw failed(e);
        } finally {
            calls.readLock().unlock();
        }
    }

    void sgemm(int threads, boolean transposeA, boolean transposeB, int m, int n, int k, float alpha, MemorySegment a, int lda, MemorySegment b,
            int ldb, float beta, MemorySegment c, int ldc) {
        with(threads, () -> {
            sgemm.invokeExact(ROW_MAJOR, transposeA ? TRANSPOSE : NO_TRANSPOSE, transposeB ? TRANSPOSE : NO_TRANSPOSE, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
            return null;
        });
    }

    void dgemm(int threads, boolean transposeA, boolean transposeB, int m, int n, int k, double alpha, MemorySegment a, int lda, MemorySegment b,
            int ldb, double beta, MemorySegment c, int ldc) {
        with(threads, () -> {
            dgemm.invokeExact(ROW_MAJOR, transposeA ? TRANSPOSE : NO_TRANSPOSE, transposeB ? TRANSPOSE : NO_TRANSPOSE, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
            return null;
        });
    }

    /** Replaces a symmetric matrix by its eigenvectors; gives LAPACK's info. */
    int dsyevd(int threads, int n, MemorySegment a, MemorySegment values) {
        return with(threads, () -> dsyevd(n, a, values));
    }

    private int dsyevd(int n, MemorySegment a, MemorySegment values) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            long reals = 1 + 6L * n + 2L * n * n;
            int integers = 3 + 5 * n;
            MemorySegment order = integer(arena, n);
            MemorySegment info = integer(arena, 0);
            dsyevd.invokeExact(arena.allocateFrom("V"), arena.allocateFrom("L"), order, a, order, values, arena.allocate(8 * reals, 64),
                    integer(arena, Math.toIntExact(reals)), arena.allocate(4L * integers, 64), integer(arena, integers), info, 1L, 1L);
            return info.get(JAVA_INT, 0);
        }
    }

    /** Replaces the columns of an n x columns matrix, stored by columns, by the orthonormal factor of its QR decomposition; gives LAPACK's info. */
    int orthonormalize(int threads, int n, int columns, MemorySegment q) {
        return with(threads, () -> orthonormalize(n, columns, q));
    }

    private int orthonormalize(int n, int columns, MemorySegment q) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rows = integer(arena, n);
            MemorySegment count = integer(arena, columns);
            MemorySegment info = integer(arena, 0);
            MemorySegment tau = arena.allocate(8L * columns, 64);
            int reals = Math.multiplyExact(BLOCK, columns);
            MemorySegment work = arena.allocate(8L * reals, 64);
            dgeqrf.invokeExact(rows, count, q, rows, tau, work, integer(arena, reals), info);
            if (info.get(JAVA_INT, 0) == 0) {
                dorgqr.invokeExact(rows, count, count, q, rows, tau, work, integer(arena, reals), info);
            }
            return info.get(JAVA_INT, 0);
        }
    }

    private static MemorySegment integer(Arena arena, int value) {
        return arena.allocateFrom(JAVA_INT, value);
    }

    /** Handles declare every Throwable; what they can really throw are errors and exceptions of arguments. */
    private static RuntimeException failed(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return e instanceof RuntimeException exception ? exception : new IllegalStateException(e);
    }
}
