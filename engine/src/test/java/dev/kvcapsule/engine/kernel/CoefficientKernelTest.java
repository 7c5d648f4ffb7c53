package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Providers must write the same bytes of whole matrices, read them alike, and refuse the same bytes for the same reason. */
@ExtendWith(AvailableWidth.class)
class CoefficientKernelTest {
    private static final SymbolTables TABLES = CoefficientData.tables();

    private static byte[] encoded(Kernels kernels, CoefficientData data, long[] counts) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(CoefficientKernel.maxEncodedBytes(data.rows(), data.components()), 64);
            long bytes = kernels.coefficients().encode(data.memory(arena), data.rows(), data.components(), data.stride(), data.priors(), data.scales(), TABLES, out, counts,
                    new CoefficientScratch());
            return out.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** What comes back, or why nothing does. */
    private static Object decoded(Kernels kernels, CoefficientData data, byte[] bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment in = arena.allocate(Math.max(1, bytes.length), 64).asSlice(0, bytes.length).copyFrom(MemorySegment.ofArray(bytes));
            MemorySegment values = arena.allocate(Math.max(4, 4L * data.values().length), 64).fill((byte) 77);
            kernels.coefficients().decode(in, values, data.rows(), data.components(), data.stride(), data.priors(), data.scales(), TABLES, new CoefficientScratch());
            return values.asSlice(0, 4L * data.values().length).toArray(ValueLayout.JAVA_INT);
        } catch (MalformedDataException e) {
            return e.getMessage();
        }
    }

    private static void check(CoefficientData data) {
        long[][] counts = {new long[CoefficientKernel.CONTEXTS * CoefficientKernel.SYMBOLS], new long[CoefficientKernel.CONTEXTS * CoefficientKernel.SYMBOLS]};
        String what = data.rows() + " x " + data.components();
        byte[] scalar = encoded(Kernels.scalar(), data, counts[0]);
        assertArrayEquals(scalar, encoded(Parity.other(), data, counts[1]), what);
        assertArrayEquals(counts[0], counts[1], what);
        for (Kernels kernels : Parity.providers()) {
            int[] back = (int[]) decoded(kernels, data, scalar);
            for (int i = 0; i < back.length; i++) {
                assertEquals(i % data.stride() < data.components() ? data.values()[i] : 0x4d4d4d4d, back[i], kernels.name() + " " + what + " at " + i);
            }
        }
    }

    @Test
    void matricesOfEveryShapeAreCodedAlike() {
        SplittableRandom random = new SplittableRandom(1);
        for (int rows : new int[] {1, 0, 2, 40}) {
            for (int components : new int[] {130, 0, 1, 31, 32, 33, 63, 64, 65, 96, 128, 129}) {
                check(CoefficientData.of(random, rows, components, components % 3, new double[] {0.01, 1, 30, 1e5}[(rows + components) % 4], 0.02));
            }
        }
    }

    /** Rows long enough for what was learnt to matter, components enough for many blocks. */
    @Test
    void aLargeMatrixIsCodedAlike() {
        check(CoefficientData.of(new SplittableRandom(2), 200, 500, 0, 20, 0.001));
    }

    @Test
    void valuesOfAnySizeAreCodedAlike() {
        check(CoefficientData.of(new SplittableRandom(3), 30, 150, 1, 1e6, 0.5));
        CoefficientData largest = CoefficientData.of(new SplittableRandom(4), 3, 70, 0, 0.01, 0);
        for (int i = 0; i < largest.values().length; i++) {
            largest.values()[i] = i % 3 == 0 ? CoefficientKernel.MAX_MAGNITUDE : i % 3 == 1 ? -CoefficientKernel.MAX_MAGNITUDE : 1 - CoefficientKernel.MAX_MAGNITUDE;
        }
        check(largest);
    }

    /** Any damage is refused by both for the same reason, or read as the same numbers. */
    @Test
    void damageIsFoundAlike() {
        SplittableRandom random = new SplittableRandom(5);
        Set<String> reasons = new HashSet<>();
        CoefficientData data = CoefficientData.of(random, 12, 90, 0, 60, 0.03);
        byte[] whole = encoded(Kernels.scalar(), data, null);
        List<byte[]> damaged = new ArrayList<>();
        for (int i = 0; i < 250; i++) {
            byte[] bytes = whole.clone();
            bytes[i < 120 ? random.nextInt(bytes.length) : bytes.length - 1 - random.nextInt(400)] ^= (byte) (1 << random.nextInt(8));
            damaged.add(bytes);
        }
        for (int cut : new int[] {1, 2, 5, 40, whole.length - 3, whole.length - 100, whole.length}) {
            damaged.add(java.util.Arrays.copyOf(whole, whole.length - cut));
        }
        damaged.add(java.util.Arrays.copyOf(whole, whole.length + 1));
        damaged.add(java.util.Arrays.copyOf(whole, whole.length + 40));
        for (byte[] bytes : damaged) {
            Object scalar = decoded(Kernels.scalar(), data, bytes);
            Object other = decoded(Parity.other(), data, bytes);
            if (scalar instanceof String reason) {
                assertEquals(reason, other);
                reasons.add(reason.replaceAll("[0-9]+", "#"));
            } else {
                assertArrayEquals((int[]) scalar, (int[]) other);
            }
        }
        assertTrue(reasons.size() >= 7, reasons.toString());
    }

    @Test
    void tablesThatAreNoneAreRefused() {
        int[] frequencies = new int[CoefficientKernel.CONTEXTS * CoefficientKernel.SYMBOLS];
        assertThrows(IllegalArgumentException.class, () -> new SymbolTables(frequencies));
        java.util.Arrays.fill(frequencies, CoefficientKernel.TOTAL / CoefficientKernel.SYMBOLS);
        assertEquals(CoefficientKernel.TOTAL / CoefficientKernel.SYMBOLS, new SymbolTables(frequencies).frequency(5, 7));
        frequencies[40]++;
        assertThrows(IllegalArgumentException.class, () -> new SymbolTables(frequencies));
        assertThrows(IllegalArgumentException.class, () -> new SymbolTables(new int[5]));
    }
}
