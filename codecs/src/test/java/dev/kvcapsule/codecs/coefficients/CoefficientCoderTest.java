package dev.kvcapsule.codecs.coefficients;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class CoefficientCoderTest {
    private static final CoefficientTables STANDARD = CoefficientTables.standard();

    /** A matrix to code and what its coder is told of it. */
    private record Matrix(int[] values, int rows, int components, int stride, float[] priors, float[] scales) {
        byte[] encoded(CoefficientCoder coder, CoefficientTables tables) {
            try (Arena arena = Arena.ofConfined()) {
                long most = CoefficientCoder.maxBytes(rows, components);
                MemorySegment out = arena.allocate(most);
                long bytes = coder.encode(values, rows, components, stride, priors, scales, tables, out, null);
                assertTrue(bytes <= most);
                return out.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE);
            }
        }

        /** The values that bytes stand for; the fill of what is not coded shows what was written to. */
        int[] decoded(CoefficientCoder coder, byte[] bytes, CoefficientTables tables, int fill) throws MalformedDataException {
            int[] out = new int[values.length];
            Arrays.fill(out, fill);
            coder.decode(MemorySegment.ofArray(bytes), out, rows, components, stride, priors, scales, tables);
            return out;
        }

        void check(CoefficientCoder coder, CoefficientTables tables) throws MalformedDataException {
            byte[] bytes = encoded(coder, tables);
            int[] out = decoded(coder, bytes, tables, 77);
            CoefficientCoder panama = new CoefficientCoder(Kernels.panama().coefficients());
            assertArrayEquals(bytes, encoded(panama, tables));
            assertArrayEquals(out, decoded(panama, bytes, tables, 77));
            for (int row = 0; row < rows; row++) {
                for (int k = 0; k < stride; k++) {
                    int at = row * stride + k;
                    assertEquals(k < components ? values[at] : 77, out[at], "row " + row + ", component " + k);
                }
            }
        }
    }

    private static CoefficientCoder scalar() {
        return new CoefficientCoder(Kernels.scalar().coefficients());
    }

    private static float[] filled(int count, float value) {
        float[] all = new float[count];
        Arrays.fill(all, value);
        return all;
    }

    /** Two-sided geometric numbers of those mean magnitudes, roughly. */
    private static Matrix random(long seed, int rows, int components, int more, double top) {
        Random random = new Random(seed);
        float[] priors = new float[components];
        for (int k = 0; k < components; k++) {
            priors[k] = CoefficientModel.expectedMagnitude(top / (1 + 0.3 * k));
        }
        float[] scales = new float[rows];
        for (int row = 0; row < rows; row++) {
            scales[row] = (float) Math.exp(random.nextGaussian() * 0.5);
        }
        int stride = components + more;
        int[] values = new int[rows * stride];
        for (int row = 0; row < rows; row++) {
            for (int k = 0; k < components; k++) {
                double magnitude = -Math.log(1 - random.nextDouble()) * priors[k] * scales[row] * 1.2;
                values[row * stride + k] = Math.clamp((long) (random.nextBoolean() ? magnitude : -magnitude), -CoefficientCoder.MAX_MAGNITUDE, CoefficientCoder.MAX_MAGNITUDE);
            }
        }
        return new Matrix(values, rows, components, stride, priors, scales);
    }

    @Test
    void matricesOfEveryShapeComeBack() throws MalformedDataException {
        // One coder for all: nothing may be left over from the matrix before, larger or smaller.
        CoefficientCoder coder = scalar();
        for (int rows : new int[] {0, 300, 1, 2, 17}) {
            for (int components : new int[] {130, 0, 1, 2, 63, 64, 65, 127, 128, 129}) {
                for (double top : new double[] {0.01, 1, 30, 1e6}) {
                    random(rows * 1000L + components, rows, components, components % 3, top).check(coder, STANDARD);
                }
            }
        }
    }

    @Property(tries = 300)
    void anyMatrixComesBack(@ForAll long seed, @ForAll @IntRange(max = 9) int rows, @ForAll @IntRange(max = 200) int components) throws MalformedDataException {
        Random random = new Random(seed);
        float[] priors = new float[components];
        for (int k = 0; k < components; k++) {
            priors[k] = Math.scalb(1f, random.nextInt(35) - 14);
        }
        float[] scales = new float[rows];
        for (int row = 0; row < rows; row++) {
            // Expected magnitudes stay within the 2^20 of CoefficientModel.expectedMagnitude.
            scales[row] = Math.scalb(0.5f + random.nextFloat() / 2, -random.nextInt(15));
        }
        int[] values = new int[rows * components];
        for (int i = 0; i < values.length; i++) {
            // Any magnitude, whatever was expected.
            int bits = random.nextInt(24);
            values[i] = Math.clamp(bits == 0 ? 0 : random.nextInt(1 << bits), 0, CoefficientCoder.MAX_MAGNITUDE) * (random.nextBoolean() ? 1 : -1);
        }
        new Matrix(values, rows, components, components, priors, scales).check(scalar(), STANDARD);
    }

    @Test
    void theLargestMagnitudesComeBackWhateverWasExpected() throws MalformedDataException {
        int[] values = new int[5 * 70];
        for (int i = 0; i < values.length; i++) {
            values[i] = i % 3 == 0 ? CoefficientCoder.MAX_MAGNITUDE : i % 3 == 1 ? -CoefficientCoder.MAX_MAGNITUDE : CoefficientCoder.MAX_MAGNITUDE - 1;
        }
        for (float prior : new float[] {0x1p-14f, 1, 7.9f, 8, 9, 1000, 0x1p20f}) {
            for (float scale : new float[] {0x1p-14f, 1, 0x1p20f / prior}) {
                Matrix matrix = new Matrix(values, 5, 70, 70, filled(70, prior), filled(5, scale));
                matrix.check(scalar(), STANDARD);
            }
        }
    }

    @Test
    void valuesAroundTheEscapeAndAroundLowBitsComeBack() throws MalformedDataException {
        int[] values = new int[601];
        for (int i = 0; i < values.length; i++) {
            values[i] = i - 300;
        }
        for (float prior : new float[] {0x1p-14f, 1, 4, 8, 16, 64}) {
            new Matrix(values, 1, 601, 601, filled(601, prior), new float[] {1}).check(scalar(), STANDARD);
            new Matrix(values, 601, 1, 1, filled(1, prior), filled(601, 1)).check(scalar(), STANDARD);
        }
    }

    @Test
    void zerosCostNearlyNothing() throws MalformedDataException {
        Matrix zeros = new Matrix(new int[1000 * 256], 1000, 256, 256, filled(256, 0x1p-14f), filled(1000, 1));
        zeros.check(scalar(), STANDARD);
        int bytes = zeros.encoded(scalar(), STANDARD).length;
        assertTrue(bytes < 4 + 256 + 1000 * 256 / 100, () -> bytes + " bytes");
        // A wrong prior keeps its weight, but energies that contradict it tell: two bits a zero, where the prior alone would take three and a half.
        int wrong = new Matrix(new int[1000 * 256], 1000, 256, 256, filled(256, 2), filled(1000, 1)).encoded(scalar(), STANDARD).length;
        assertTrue(wrong < 4 + 256 + 1000 * 256 / 4, () -> wrong + " bytes");
    }

    @Test
    void anEmptyMatrixIsItsStates() throws MalformedDataException {
        for (int[] shape : new int[][] {{0, 0}, {5, 0}, {0, 5}}) {
            Matrix empty = new Matrix(new int[0], shape[0], shape[1], shape[1], filled(shape[1], 1), filled(shape[0], 1));
            assertEquals(4 + 256, empty.encoded(scalar(), STANDARD).length);
            empty.check(scalar(), STANDARD);
        }
    }

    @Test
    void bytesDependOnTheMatrixAlone() {
        Matrix matrix = random(5, 40, 100, 0, 20);
        byte[] once = matrix.encoded(scalar(), STANDARD);
        CoefficientCoder used = scalar();
        random(6, 90, 200, 3, 1000).encoded(used, STANDARD);
        assertArrayEquals(once, matrix.encoded(used, STANDARD));
    }

    @Test
    void trainedTablesCodeWithinThreePercentOfTheEntropy() throws MalformedDataException {
        Matrix matrix = random(11, 2500, 300, 0, 6);
        CoefficientStatistics statistics = new CoefficientStatistics();
        try (Arena arena = Arena.ofConfined()) {
            scalar().encode(matrix.values, matrix.rows, matrix.components, matrix.stride, matrix.priors, matrix.scales, STANDARD,
                    arena.allocate(CoefficientCoder.maxBytes(matrix.rows, matrix.components)), statistics);
        }
        assertEquals(2500L * 300, Arrays.stream(statistics.counts()).sum());
        CoefficientTables tables = statistics.tables();
        byte[] bytes = matrix.encoded(scalar(), tables);
        matrix.check(scalar(), tables);
        // The entropy is that of symbols: what follows the states are bits sent as they are.
        int words = MemorySegment.ofArray(bytes).get(ValueLayout.JAVA_INT_UNALIGNED, 0);
        double ratio = 8.0 * (2 * words + 256) / statistics.entropyBits();
        assertTrue(ratio > 0.99 && ratio < 1.03, () -> "ratio " + ratio);
        statistics.add(statistics);
        assertEquals(2 * 2500L * 300, Arrays.stream(statistics.counts()).sum());
    }

    @Test
    void cutStreamsAreRefused() {
        Matrix matrix = random(7, 12, 70, 0, 12);
        byte[] bytes = matrix.encoded(scalar(), STANDARD);
        CoefficientCoder coder = scalar();
        for (int length = 0; length < bytes.length; length++) {
            byte[] cut = Arrays.copyOf(bytes, length);
            assertThrows(MalformedDataException.class, () -> matrix.decoded(coder, cut, STANDARD, 0), "length " + length);
        }
        assertThrows(MalformedDataException.class, () -> matrix.decoded(coder, Arrays.copyOf(bytes, bytes.length + 1), STANDARD, 0));
    }

    @Test
    void flippedBitsGiveValuesInRangeOrAreRefused() {
        Matrix matrix = random(8, 6, 70, 0, 12);
        byte[] bytes = matrix.encoded(scalar(), STANDARD);
        CoefficientCoder coder = scalar();
        int decoded = 0;
        for (int bit = 0; bit < 8 * bytes.length; bit++) {
            byte[] flipped = bytes.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            decoded += attempt(coder, matrix, flipped) ? 1 : 0;
        }
        // Bits that are sent as they are have no redundancy; all others end in a wrong state.
        assertTrue(decoded < 8 * bytes.length / 2);
    }

    @Property(tries = 400)
    void randomBytesGiveValuesInRangeOrAreRefused(@ForAll long seed, @ForAll @IntRange(max = 9) int rows, @ForAll @IntRange(max = 140) int components) {
        Random random = new Random(seed);
        Matrix matrix = random(seed, rows, components, 0, Math.scalb(1, random.nextInt(20) - 4));
        byte[] bytes = new byte[260 + random.nextInt(400)];
        random.nextBytes(bytes);
        MemorySegment.ofArray(bytes).set(ValueLayout.JAVA_INT_UNALIGNED, 0, random.nextInt(4) == 0 ? random.nextInt() : random.nextInt((bytes.length - 258) / 2));
        attempt(scalar(), matrix, bytes);
    }

    /** @return whether it was decoded; false if it was refused */
    private static boolean attempt(CoefficientCoder coder, Matrix matrix, byte[] bytes) {
        try {
            for (int value : matrix.decoded(coder, bytes, STANDARD, 0)) {
                assertTrue(Math.abs(value) <= CoefficientCoder.MAX_MAGNITUDE);
            }
            return true;
        } catch (MalformedDataException e) {
            return false;
        }
    }

    @Test
    void wordCountsBeyondTheStreamAreRefused() {
        Matrix matrix = random(9, 6, 70, 0, 12);
        byte[] bytes = matrix.encoded(scalar(), STANDARD);
        for (int words : new int[] {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 1 << 30, 6 * 70 + 1, bytes.length}) {
            byte[] changed = bytes.clone();
            MemorySegment.ofArray(changed).set(ValueLayout.JAVA_INT_UNALIGNED, 0, words);
            assertThrows(MalformedDataException.class, () -> matrix.decoded(scalar(), changed, STANDARD, 0), () -> words + " words");
        }
    }

    @Test
    void expectedMagnitudesAreThoseOfRoundedLaplacians() {
        Random random = new Random(3);
        for (double deviation : new double[] {0.3, 1, 5, 40}) {
            double sum = 0;
            int count = 400_000;
            for (int i = 0; i < count; i++) {
                sum += Math.rint(-Math.log(1 - random.nextDouble()) * deviation / Math.sqrt(2));
            }
            assertEquals(sum / count, CoefficientModel.expectedMagnitude(deviation), 0.02 * sum / count + 0.001);
        }
        for (double none : new double[] {0, -1, Double.NaN, 1e-4}) {
            assertEquals(0x1p-14f, CoefficientModel.expectedMagnitude(none));
        }
        assertEquals(0x1p20f, CoefficientModel.expectedMagnitude(1e30));
        assertEquals(0x1p20f, CoefficientModel.expectedMagnitude(Double.POSITIVE_INFINITY));
    }
}
