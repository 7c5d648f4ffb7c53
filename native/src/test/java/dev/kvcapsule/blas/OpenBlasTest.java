package dev.kvcapsule.blas;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.linalg.Eigen;
import dev.kvcapsule.engine.linalg.JavaLinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.linalg.ProgressListener;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** OpenBLAS against plain Java, and both against what must hold. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
class OpenBlasTest {
    private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE;
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT;

    private final LinearAlgebra blas = LinearAlgebras.named("openblas", 1);
    private final LinearAlgebra java = new JavaLinearAlgebra(1);

    @Test
    void itIsTakenAndSaysWhatItIs() {
        assertNull(LinearAlgebras.whyNotNative());
        assertEquals("openblas", LinearAlgebras.best(2).name());
        assertEquals(2, LinearAlgebras.best(2).threads());
        assertTrue(blas.description().contains("OpenBLAS 0.3."), blas.description());
    }

    /** Ends while other threads are at work in the library, as a program does that is interrupted. */
    static final class EndWhileBusy {
        public static void main(String[] args) throws InterruptedException {
            LinearAlgebra algebra = LinearAlgebras.named("openblas", 2);
            int n = 1500;
            Thread.ofPlatform().daemon().start(() -> {
                try (Arena arena = Arena.ofShared()) {
                    MemorySegment a = arena.allocate(4L * n * n, 64);
                    MemorySegment c = arena.allocate(4L * n * n, 64);
                    while (true) {
                        algebra.gemm(false, false, n, n, n, 1, a, n, a, n, 0, c, n);
                    }
                }
            });
            Thread.sleep(300);
            System.exit(17);
        }
    }

    @Test
    void aProgramEndsWhileTheLibraryIsAtWork() throws IOException, InterruptedException {
        for (int run = 0; run < 3; run++) {
            Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "--enable-native-access=ALL-UNNAMED",
                    "--add-modules=jdk.incubator.vector", "-cp", System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                    EndWhileBusy.class.getName()).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
            if (!process.waitFor(30, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError("still there after 30 s");
            }
            assertEquals(17, process.exitValue());
        }
    }

    /** Callers that want other numbers of threads take turns, and all get their result. */
    @Test
    void callsWithDifferentNumbersOfThreadsMix() throws InterruptedException {
        List<Thread> threads = new ArrayList<>();
        List<Float> results = Collections.synchronizedList(new ArrayList<>());
        for (int t = 0; t < 6; t++) {
            LinearAlgebra algebra = LinearAlgebras.named("openblas", 1 + t % 2);
            threads.add(Thread.ofPlatform().start(() -> {
                try (Arena arena = Arena.ofShared()) {
                    MemorySegment a = arena.allocate(4L * 64 * 64, 64);
                    MemorySegment c = arena.allocate(4L * 64 * 64, 64);
                    for (int i = 0; i < 64; i++) {
                        a.setAtIndex(F32, 65L * i, 2);
                    }
                    for (int call = 0; call < 200; call++) {
                        algebra.gemm(false, false, 64, 64, 64, 1, a, 64, a, 64, 0, c, 64);
                    }
                    results.add(c.getAtIndex(F32, 65L * 63));
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertEquals(Collections.nCopies(6, 4f), results);
    }

    @ParameterizedTest
    @CsvSource({"1,1,1", "3,5,2", "65,33,129", "130,260,77", "4,4,0", "0,3,2"})
    void productsAreEqualUpToRounding(int m, int n, int k) {
        SplittableRandom random = new SplittableRandom(n);
        try (Arena arena = Arena.ofConfined()) {
            for (int kind = 0; kind < 8; kind++) {
                boolean ta = (kind & 1) != 0;
                boolean tb = (kind & 2) != 0;
                float beta = (kind & 4) != 0 ? 0.25f : 0;
                int lda = (ta ? m : k) + 1;
                int ldb = (tb ? k : n) + 2;
                int ldc = n + 3;
                MemorySegment a = reals(arena, random, (ta ? k : m) * lda);
                MemorySegment b = reals(arena, random, (tb ? n : k) * ldb);
                MemorySegment c = reals(arena, random, m * ldc);
                MemorySegment one = floats(arena, c);
                MemorySegment other = floats(arena, c);
                blas.gemm(ta, tb, m, n, k, 1.25f, floats(arena, a), lda, floats(arena, b), ldb, beta, one, ldc);
                java.gemm(ta, tb, m, n, k, 1.25f, floats(arena, a), lda, floats(arena, b), ldb, beta, other, ldc);
                for (long i = 0; i < (long) m * ldc; i++) {
                    assertEquals(other.getAtIndex(F32, i), one.getAtIndex(F32, i), 1e-5 * (1 + k));
                }
                MemorySegment third = arena.allocate(c.byteSize(), 8).copyFrom(c);
                blas.gemm64(ta, tb, m, n, k, 1.25, a, lda, b, ldb, beta, third, ldc);
                java.gemm64(ta, tb, m, n, k, 1.25, a, lda, b, ldb, beta, c, ldc);
                for (long i = 0; i < (long) m * ldc; i++) {
                    assertEquals(c.getAtIndex(F64, i), third.getAtIndex(F64, i), 1e-14 * (1 + k));
                }
            }
        }
    }

    @Test
    void gramMatricesAreEqualUpToRounding() {
        int n = 1100;
        int rows = LinearAlgebra.GRAM_ROWS + 5;
        SplittableRandom random = new SplittableRandom(2);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment x = floats(arena, reals(arena, random, rows * n));
            MemorySegment one = arena.allocate(8L * n * n, 8);
            MemorySegment other = arena.allocate(8L * n * n, 8);
            blas.accumulateGram(x, rows, n, one);
            java.accumulateGram(x, rows, n, other);
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    assertEquals(j < i ? 0 : other.getAtIndex(F64, (long) i * n + j), one.getAtIndex(F64, (long) i * n + j), 5e-3);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1,0", "1,1", "2,1", "7,7", "33,12", "64,64", "101,300", "50,0", "1101,30"})
    void eigenpairsAreRightAndAgree(int n, int rank) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment x = floats(arena, reals(arena, new SplittableRandom(n), Math.max(1, rank) * n));
            MemorySegment a = arena.allocate(8L * n * n, 8);
            blas.accumulateGram(x, rank, n, a);
            int count = n > 1000 ? 40 : n;
            for (LinearAlgebra algebra : List.of(blas, java)) {
                List<String> stages = new ArrayList<>();
                try (Eigen eigen = algebra.largest(a, n, count, (stage, done) -> stages.add(stage)); Eigen again = algebra.largest(a, n, count, ProgressListener.NONE);
                        Eigen other = java.largest(a, n, count, ProgressListener.NONE)) {
                    assertFalse(stages.isEmpty());
                    assertEquals(-1, eigen.vectors().mismatch(again.vectors()), "determinism");
                    check(a, n, eigen);
                    for (int i = 0; i < count; i++) {
                        // Subspaces are multiplied in binary32.
                        double rounding = eigen.method().startsWith("subspace") ? 1e-6 : 1e-9;
                        assertEquals(other.value(i), eigen.value(i), rounding * Math.max(1e-3, other.value(0)));
                        assertTrue(i < rank || Math.abs(eigen.value(i)) <= 1e-6 * Math.max(1, eigen.value(0)));
                    }
                }
            }
        }
    }

    private static void check(MemorySegment a, int n, Eigen eigen) {
        double scale = Math.max(1e-30, eigen.value(0));
        for (int k = 0; k < eigen.count(); k++) {
            double residual = 0;
            float largest = 0;
            for (int i = 0; i < n; i++) {
                float entry = eigen.vectors().getAtIndex(F32, (long) k * n + i);
                largest = Math.abs(entry) > Math.abs(largest) ? entry : largest;
                double product = 0;
                for (int j = 0; j < n; j++) {
                    product += a.getAtIndex(F64, (long) i * n + j) * eigen.vectors().getAtIndex(F32, (long) k * n + j);
                }
                residual += Math.pow(product - eigen.value(k) * entry, 2);
            }
            assertTrue(largest > 0, "sign");
            assertTrue(Math.sqrt(residual) <= 1e-6 * scale, "residual " + Math.sqrt(residual) / scale);
            assertTrue(k == 0 || eigen.value(k) <= eigen.value(k - 1), "order");
            for (int other = 0; other <= k; other++) {
                double dot = 0;
                for (int i = 0; i < n; i++) {
                    dot += (double) eigen.vectors().getAtIndex(F32, (long) k * n + i) * eigen.vectors().getAtIndex(F32, (long) other * n + i);
                }
                assertEquals(other == k ? 1 : 0, dot, 1e-6);
            }
        }
    }

    private static MemorySegment reals(Arena arena, SplittableRandom random, int count) {
        MemorySegment segment = arena.allocate(Math.max(8, 8L * count), 8);
        for (int i = 0; i < count; i++) {
            segment.setAtIndex(F64, i, (float) (random.nextDouble() - 0.5));
        }
        return segment;
    }

    private static MemorySegment floats(Arena arena, MemorySegment reals) {
        MemorySegment segment = arena.allocate(reals.byteSize() / 2, 4);
        for (long i = 0; i < reals.byteSize() / 8; i++) {
            segment.setAtIndex(F32, i, (float) reals.getAtIndex(F64, i));
        }
        return segment;
    }
}
