package dev.kvcapsule.engine.linalg;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The fallback by itself; the module of native libraries compares the two. */
class JavaLinearAlgebraTest {
    private final LinearAlgebra java = new JavaLinearAlgebra(1);

    @ParameterizedTest
    @CsvSource({"1,1,1", "3,5,2", "17,33,9", "70,130,65", "9,600,300", "4,4,0"})
    void productsAreThoseOfTheDefinition(int m, int n, int k) {
        SplittableRandom random = new SplittableRandom(m + 31L * n + 977L * k);
        try (Arena arena = Arena.ofConfined()) {
            for (int kind = 0; kind < 8; kind++) {
                boolean ta = (kind & 1) != 0;
                boolean tb = (kind & 2) != 0;
                double beta = (kind & 4) != 0 ? -0.5 : 0;
                int lda = (ta ? m : k) + 3;
                int ldb = (tb ? k : n) + 1;
                int ldc = n + 2;
                double[] a = values(random, (ta ? k : m) * lda);
                double[] b = values(random, (tb ? n : k) * ldb);
                double[] c = values(random, m * ldc);
                MemorySegment c32 = f32(arena, c);
                MemorySegment c64 = f64(arena, c);
                java.gemm(ta, tb, m, n, k, 1.5f, f32(arena, a), lda, f32(arena, b), ldb, (float) beta, c32, ldc);
                java.gemm64(ta, tb, m, n, k, 1.5, f64(arena, a), lda, f64(arena, b), ldb, beta, c64, ldc);
                for (int i = 0; i < m; i++) {
                    for (int j = 0; j < ldc; j++) {
                        double sum = c[i * ldc + j];
                        if (j < n) {
                            sum *= beta;
                            for (int p = 0; p < k; p++) {
                                sum += 1.5 * a[ta ? p * lda + i : i * lda + p] * b[tb ? j * ldb + p : p * ldb + j];
                            }
                        }
                        assertEquals(sum, c32.get(Matrices.F32, 4L * (i * ldc + j)), 1e-4 * (1 + Math.sqrt(k)));
                        assertEquals(sum, c64.get(Matrices.F64, 8L * (i * ldc + j)), 1e-12 * (1 + k));
                    }
                }
            }
        }
    }

    @Test
    void gramMatricesAddUpAboveTheDiagonalAndLeaveTheRest() {
        int n = 1030;
        int rows = 37;
        SplittableRandom random = new SplittableRandom(5);
        double[] x = values(random, rows * n);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment c = arena.allocate(8L * n * n).fill((byte) 0x7f);
            for (int i = 0; i < n; i++) {
                for (int j = i; j < n; j++) {
                    c.set(Matrices.F64, 8L * (i * n + j), 1);
                }
            }
            java.accumulateGram(f32(arena, x), rows, n, c);
            for (int probe = 0; probe < 5000; probe++) {
                int i = random.nextInt(n);
                int j = probe % 3 == 0 ? i : random.nextInt(n);
                double have = c.get(Matrices.F64, 8L * (i * n + j));
                if (j < i) {
                    assertEquals(0x7f7f7f7f7f7f7f7fL, Double.doubleToRawLongBits(have));
                    continue;
                }
                double want = 1;
                for (int r = 0; r < rows; r++) {
                    want += x[r * n + i] * x[r * n + j];
                }
                assertEquals(want, have, 1e-4);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 17, 64, 151})
    void allEigenpairsOfSmallMatrices(int n) {
        try (Arena arena = Arena.ofConfined()) {
            for (int rank : new int[] {0, 1, n / 2, n, 2 * n}) {
                MemorySegment a = Psd.ofRank(arena, n, rank, 7);
                try (Eigen eigen = java.largest(a, n, n, ProgressListener.NONE)) {
                    Psd.check(a, n, eigen, 1e-6);
                    assertEquals(n, eigen.count());
                    for (int i = rank; i < n; i++) {
                        assertEquals(0, eigen.value(i), 1e-12 * Math.max(1, eigen.value(0)));
                    }
                }
            }
        }
    }

    /** Differences of two numbers that are all but equal, besides large ones: what a covariance of constants is made of. */
    @Test
    void matricesWhoseRestIsRoundingAreSolved() {
        try (Arena arena = Arena.ofConfined()) {
            for (int n : new int[] {3, 52, 100}) {
                for (int exponent = -60; exponent <= 0; exponent += 6) {
                    for (int kind = 0; kind < 3; kind++) {
                        SplittableRandom random = new SplittableRandom(exponent * 10L + kind);
                        MemorySegment a = arena.allocate(8L * n * n);
                        for (int i = 0; i < n; i++) {
                            for (int j = i; j < n; j++) {
                                double common = kind == 0 ? 1 : kind == 1 ? i == n / 2 && j == i ? 1 : 0 : i < n / 2 && j >= n / 2 ? -1 : 1;
                                a.set(Matrices.F64, 8L * (i * n + j), common + Math.scalb(random.nextDouble() - 0.5, exponent) + (i == j ? Math.scalb(n, exponent) : 0));
                            }
                        }
                        try (Eigen eigen = java.largest(a, n, n, ProgressListener.NONE)) {
                            Psd.check(a, n, eigen, 1e-6);
                        }
                    }
                }
            }
        }
    }

    @Test
    void fewEigenpairsOfALargeMatrix() {
        int n = 1100;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment a = Psd.decaying(arena, n, 0.9);
            try (Eigen eigen = java.largest(a, n, 20, ProgressListener.NONE); Eigen again = java.largest(a, n, 20, ProgressListener.NONE)) {
                assertTrue(eigen.method().startsWith("subspace"), eigen.method());
                for (int i = 0; i < 20; i++) {
                    assertEquals(Math.pow(0.9, i), eigen.value(i), 1e-3 * Math.pow(0.9, i));
                }
                Psd.check(a, n, eigen, 2e-2);
                assertEquals(-1, eigen.vectors().mismatch(again.vectors()));
            }
        }
    }

    @Test
    void callsThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment a = Psd.decaying(arena, 4, 0.5);
            MemorySegment heap = MemorySegment.ofArray(new double[16]);
            assertThrows(IllegalArgumentException.class, () -> java.largest(a, 4, 5, ProgressListener.NONE));
            assertThrows(IllegalArgumentException.class, () -> java.largest(a, 4, 0, ProgressListener.NONE));
            assertThrows(IllegalArgumentException.class, () -> java.largest(heap, 4, 4, ProgressListener.NONE));
            assertThrows(IllegalArgumentException.class, () -> java.largest(a.asReadOnly(), 4, 4, ProgressListener.NONE));
            assertThrows(IndexOutOfBoundsException.class, () -> java.largest(a, 5, 4, ProgressListener.NONE));
            a.set(Matrices.F64, 8, Double.NaN);
            assertThrows(IllegalArgumentException.class, () -> java.largest(a, 4, 4, ProgressListener.NONE));
            assertThrows(IllegalArgumentException.class, () -> java.gemm(false, false, 2, 2, 2, 1, a, 1, a, 2, 0, a, 2));
            assertThrows(IndexOutOfBoundsException.class, () -> java.gemm64(false, false, 4, 4, 4, 1, a, 4, a, 4, 0, a.asSlice(8), 4));
            assertThrows(IndexOutOfBoundsException.class, () -> java.accumulateGram(a, 9, 4, a));
        }
    }

    @Test
    void unknownChoiceFailsAndSaysWhatThereIs() {
        String message = assertThrows(IllegalStateException.class, () -> LinearAlgebras.named("mkl", 1)).getMessage();
        assertTrue(message.contains("mkl") && message.contains("java"), message);
        assertEquals("java", LinearAlgebras.named("java", 1).name());
    }

    private static double[] values(SplittableRandom random, int count) {
        double[] values = new double[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextDouble() - 0.5);
        }
        return values;
    }

    private static MemorySegment f32(Arena arena, double[] values) {
        MemorySegment segment = arena.allocate(Math.max(1, 4L * values.length), 4);
        for (int i = 0; i < values.length; i++) {
            segment.set(Matrices.F32, 4L * i, (float) values[i]);
        }
        return segment;
    }

    private static MemorySegment f64(Arena arena, double[] values) {
        MemorySegment segment = arena.allocate(Math.max(1, 8L * values.length), 8);
        for (int i = 0; i < values.length; i++) {
            segment.set(Matrices.F64, 8L * i, values[i]);
        }
        return segment;
    }
}
