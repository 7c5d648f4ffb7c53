package dev.kvcapsule.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.kernel.Parity.Outputs;
import dev.kvcapsule.engine.kernel.Parity.Room;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@ExtendWith(AvailableWidth.class)
class HadamardKernelTest {
    /** Channels of a head, heads, tokens. */
    private static final int[][] SIZES = {
        {64, 3, 21}, {128, 2, 5}, {80, 4, 9}, {96, 1, 7}, {256, 1, 3}, {512, 1, 3}, {1, 5, 40}, {7, 3, 33}, {16, 5, 17}, {100, 2, 6},
        {576, 1, 4}, {64, 1, 1}, {32, 7, 0}, {112, 3, 10}, {64, 16, 8}, {4096, 1, 2}
    };

    /** One slice encoded and decoded by both providers, whose bytes are the same. */
    private record Slice(RotationShape shape, MemorySegment rows, int skew, MemorySegment means, Outputs outputs, long refused) {
        static Slice code(Arena arena, RotationShape shape, Fill fill, int skew, SplittableRandom random) {
            return code(arena, shape, fill.rows(arena, shape.rows(), (long) shape.tokens() * shape.channels(), skew, random), skew, fill.name());
        }

        static Slice code(Arena arena, RotationShape shape, MemorySegment rows, int skew, String what) {
            int gap = skew * 7 % 64;
            MemorySegment means = arena.allocate(2L * shape.channels() + gap);
            ChannelMeans.write(shape, rows, skew, means, gap);
            long[] refused = new long[1];
            Outputs outputs = Parity.same(arena, shape + " " + what, (kernels, out) -> {
                Room codes = out.room("codes", shape.codeBytes(), gap);
                Room gains = out.room("gains", 2 * shape.gains(), gap + 1);
                Room decoded = out.room("decoded", shape.rowBytes(), skew);
                refused[0] = kernels.hadamard().encode(shape, rows, skew, means, gap, codes.memory(), codes.offset(), gains.memory(), gains.offset());
                kernels.hadamard().decode(shape, codes.memory(), codes.offset(), gains.memory(), gains.offset(), means, gap, decoded.memory(), decoded.offset());
                return refused[0];
            });
            return new Slice(shape, rows, skew, means.asSlice(gap), outputs, refused[0]);
        }

        double value(long i) {
            return Fill.get(shape.rows(), rows, skew, i);
        }

        double decoded(long i) {
            return Fill.get(shape.rows(), outputs.get(2).slice(), 0, i);
        }

        double mean(int channel) {
            return shape.centered() ? Fill.get(shape.parameter(), means, 0, channel) : 0;
        }

        double gain(long head) {
            return Fill.get(shape.parameter(), outputs.get(1).slice(), 0, head);
        }

        int code(int token, int channel) {
            return Codes.get(shape.bits(), outputs.get(0).slice(), token * Codes.rowBytes(shape.bits(), shape.channels()), channel);
        }

        /** Squared error over squared values. */
        double relativeError() {
            double error = 0;
            double energy = 0;
            for (long i = 0; i < (long) shape.tokens() * shape.channels(); i++) {
                error += (value(i) - decoded(i)) * (value(i) - decoded(i));
                energy += value(i) * value(i);
            }
            return error / energy;
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void bothProvidersEncodeAndDecodeAlike(int bits) {
        SplittableRandom random = new SplittableRandom(bits);
        int n = bits;
        for (int[] size : SIZES) {
            for (ElementType type : ElementType.values()) {
                for (int repeat = 0; repeat < 3; repeat++) {
                    Fill fill = Fill.values()[n++ % Fill.values().length];
                    ElementType parameter = n % 4 == 0 ? type == ElementType.F16 ? ElementType.BF16 : ElementType.F16 : type.parameterType();
                    boolean centered = n % 3 == 0;
                    try (Arena arena = Arena.ofConfined()) {
                        RotationShape shape = new RotationShape(bits, size[0], random.nextLong(), centered, type, parameter, size[2], size[0] * size[1]);
                        Slice.code(arena, shape, fill, n % 64, random);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void bothProvidersDecodeAlikeWhateverTheCodes(int bits) {
        SplittableRandom random = new SplittableRandom(bits);
        int n = 0;
        for (int[] size : SIZES) {
            ElementType type = ElementType.values()[n++ % 3];
            ElementType parameter = n % 2 == 0 ? ElementType.F16 : ElementType.BF16;
            RotationShape shape = new RotationShape(bits, size[0], random.nextLong(), n % 3 == 0, type, parameter, size[2], size[0] * size[1]);
            try (Arena arena = Arena.ofConfined()) {
                int skew = random.nextInt(64);
                MemorySegment codes = arena.allocate(shape.codeBytes() + skew);
                MemorySegment gains = arena.allocate(2 * shape.gains() + 1);
                MemorySegment means = arena.allocate(2L * shape.channels() + 5);
                Codes.randomBytes(codes, random);
                Codes.randomFinite(parameter, gains.asSlice(1), random);
                Codes.randomFinite(parameter, means.asSlice(5), random);
                Parity.same(arena, shape + " of noise", (kernels, outputs) -> {
                    Room rows = outputs.room("rows", shape.rowBytes(), skew);
                    kernels.hadamard().decode(shape, codes, skew, gains, 1, means, 5, rows.memory(), rows.offset());
                    return null;
                });
            }
        }
    }

    @Test
    void bothProvidersAddUpMeansAlike() {
        SplittableRandom random = new SplittableRandom(3);
        for (ElementType type : ElementType.values()) {
            for (int channels : new int[] {1, 20, 192, 5000}) {
                RotationShape shape = new RotationShape(4, 1, 0, true, type, type.parameterType(), 37, channels);
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment rows = Fill.OUTLIERS.rows(arena, type, 37L * channels, 3, random);
                    Parity.same(arena, shape.toString(), (kernels, out) -> {
                        Room means = out.room("means", 2L * channels, 5);
                        kernels.hadamard().means(shape, rows, 3, means.memory(), means.offset());
                        return null;
                    });
                }
            }
        }
    }

    /** The mean squared errors of Max's table for a normal distribution of unit variance. */
    @ParameterizedTest
    @CsvSource({"2, 0.1175", "3, 0.03454", "4, 0.009497"})
    void errorOfNormalValuesIsThatOfTheLloydMaxQuantizer(int bits, double figure) {
        ElementType[] types = ElementType.values();
        for (int headDim : new int[] {64, 80, 128, 256}) {
            ElementType type = types[headDim / 16 % types.length];
            try (Arena arena = Arena.ofConfined()) {
                RotationShape shape = new RotationShape(bits, headDim, 5, false, type, type.parameterType(), 20_000 / headDim, 3 * headDim);
                double error = Slice.code(arena, shape, Fill.NORMAL, 2, new SplittableRandom(headDim)).relativeError();
                // A gain of its own makes a narrow head a little better, integer centroids make a wide block a little worse.
                assertTrue(error > figure * 0.91 && error < figure * 1.05, shape + ": " + error);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"2, 0.1175", "3, 0.03454", "4, 0.009497"})
    void rotationMakesValuesOfUnequalChannelsAsGoodAsNormalOnes(int bits, double figure) {
        SplittableRandom random = new SplittableRandom(6);
        try (Arena arena = Arena.ofConfined()) {
            int tokens = 400;
            RotationShape shape = new RotationShape(bits, 128, 77, false, ElementType.F32, ElementType.BF16, tokens, 128);
            MemorySegment rows = arena.allocate(shape.rowBytes());
            for (int i = 0; i < tokens * 128; i++) {
                double scale = i % 8 == 0 ? 10 : 1;
                rows.setAtIndex(Bounds.FLOAT, i, (float) (scale * random.nextGaussian()));
            }
            double error = Slice.code(arena, shape, rows, 0, "unequal channels").relativeError();
            assertTrue(error < figure * 1.1, "error " + error);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void storedNumbersAreThoseOfTheFormulasInDouble(int bits) {
        for (int headDim : new int[] {16, 64, 80, 128, 256}) {
            for (boolean centered : new boolean[] {false, true}) {
                try (Arena arena = Arena.ofConfined()) {
                    RotationShape shape = new RotationShape(bits, headDim, 12345, centered, ElementType.F32, ElementType.BF16, 20, 3 * headDim);
                    checkAgainstDouble(Slice.code(arena, shape, Fill.NORMAL, 4, new SplittableRandom(headDim)));
                }
            }
        }
    }

    private static void checkAgainstDouble(Slice slice) {
        RotationShape shape = slice.shape();
        int dim = shape.headDim();
        int block = Math.min(256, Integer.lowestOneBit(dim));
        double[] centroids = LloydMax.centroids(shape.bits());
        int[] signs = signs(shape.seed(), shape.channels());
        // Integers of 16 bits stand for the coefficients and the centroids.
        double coefficientSlack = block * Math.sqrt(dim) / 60_000 + 1e-4;
        double centroidSlack = 0.51 * centroids[centroids.length - 1] * block / 32_700;
        for (int t = 0; t < shape.tokens(); t++) {
            for (int head = 0; head < shape.heads(); head++) {
                double[] x = new double[dim];
                double energy = 0;
                for (int i = 0; i < dim; i++) {
                    int channel = head * dim + i;
                    double value = (float) (slice.value((long) t * shape.channels() + channel) - slice.mean(channel));
                    energy += value * value;
                    x[i] = signs[channel] * value;
                }
                double rms = Math.sqrt(energy / dim);
                double[] y = hadamard(x, block);
                double[] restored = new double[dim];
                double product = 0;
                double square = 0;
                for (int i = 0; i < dim; i++) {
                    int code = slice.code(t, head * dim + i);
                    double u = y[i] / rms;
                    double low = code == 0 ? Double.NEGATIVE_INFINITY : (centroids[code - 1] + centroids[code]) / 2;
                    double high = code + 1 == centroids.length ? Double.POSITIVE_INFINITY : (centroids[code] + centroids[code + 1]) / 2;
                    assertTrue(u > low - coefficientSlack && u < high + coefficientSlack, shape + ": code " + code + " of " + u);
                    restored[i] = centroids[code];
                    product += u * centroids[code];
                    square += centroids[code] * centroids[code];
                }
                double gain = slice.gain((long) t * shape.heads() + head);
                assertEquals(rms * product / square, gain, rms * 0.02, shape + ": gain");
                double[] back = hadamard(restored, block);
                for (int i = 0; i < dim; i++) {
                    int channel = head * dim + i;
                    double expected = signs[channel] * gain * back[i] + slice.mean(channel);
                    double got = slice.decoded((long) t * shape.channels() + channel);
                    assertEquals(expected, got, gain * centroidSlack * Math.sqrt(block) + 1e-5, shape + ": decoded");
                }
            }
        }
    }

    /** Each block times the orthonormal Walsh-Hadamard matrix, entry by entry. */
    private static double[] hadamard(double[] x, int block) {
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            int base = i - i % block;
            for (int j = 0; j < block; j++) {
                y[i] += (Integer.bitCount(i % block & j) % 2 == 0 ? 1 : -1) * x[base + j];
            }
            y[i] /= Math.sqrt(block);
        }
        return y;
    }

    /** SplitMix64, one bit a channel. */
    private static int[] signs(long seed, int channels) {
        SplitMix64 words = new SplitMix64(seed);
        int[] signs = new int[channels];
        long word = 0;
        for (int c = 0; c < channels; c++) {
            word = c % 64 == 0 ? words.next() : word >>> 1;
            signs[c] = (word & 1) == 0 ? 1 : -1;
        }
        return signs;
    }

    private static final class SplitMix64 {
        private long state;

        SplitMix64(long seed) {
            state = seed;
        }

        long next() {
            state += 0x9E3779B97F4A7C15L;
            long z = state;
            z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
            z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
            return z ^ z >>> 31;
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void meansTakeAConstantOffsetOfAChannelOut(int bits) {
        SplittableRandom random = new SplittableRandom(4);
        try (Arena arena = Arena.ofConfined()) {
            int tokens = 100;
            double[] errors = new double[2];
            for (int centered = 0; centered < 2; centered++) {
                RotationShape shape = new RotationShape(bits, 64, 1, centered == 1, ElementType.F16, ElementType.F16, tokens, 128);
                MemorySegment rows = arena.allocate(shape.rowBytes());
                for (int i = 0; i < tokens * 128; i++) {
                    rows.setAtIndex(Bounds.SHORT, i, Float.floatToFloat16((float) (random.nextGaussian() + i % 128)));
                }
                errors[centered] = Slice.code(arena, shape, rows, 0, "offset channels").relativeError();
            }
            assertTrue(errors[1] < errors[0] / 100, errors[0] + " without, " + errors[1] + " with means");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 4})
    void headOfZerosComesBackAsZeros(int bits) {
        try (Arena arena = Arena.ofConfined()) {
            RotationShape shape = new RotationShape(bits, 64, 3, false, ElementType.F16, ElementType.F16, 4, 192);
            MemorySegment rows = Fill.NORMAL.rows(arena, ElementType.F16, 4 * 192, 0, new SplittableRandom(1));
            rows.asSlice(2 * (192 + 64), 2 * 64).fill((byte) 0);
            Slice slice = Slice.code(arena, shape, rows, 0, "with a head of zeros");
            assertEquals(0, slice.refused());
            assertEquals(0, slice.gain(3 + 1));
            for (int c = 64; c < 128; c++) {
                assertEquals(0, slice.decoded(192 + c), 0.0);
                assertEquals(1 << bits - 1, slice.code(1, c));
            }
            assertTrue(slice.gain(3) > 0 && slice.gain(3 + 2) > 0, "heads beside it");
        }
    }

    @Test
    void headThatCannotBeRepresentedIsCountedAndHasGainZero() {
        for (float culprit : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 1e30f}) {
            try (Arena arena = Arena.ofConfined()) {
                RotationShape shape = new RotationShape(4, 64, 3, false, ElementType.F32, ElementType.BF16, 20, 128);
                MemorySegment rows = Fill.NORMAL.rows(arena, ElementType.F32, 20 * 128, 0, new SplittableRandom(1));
                rows.setAtIndex(Bounds.FLOAT, 5 * 128 + 70, culprit);
                rows.setAtIndex(Bounds.FLOAT, 18 * 128 + 2, culprit);
                Slice slice = Slice.code(arena, shape, rows, 0, "with " + culprit);
                assertEquals(2, slice.refused(), "heads with " + culprit);
                assertEquals(0, slice.gain(5 * 2 + 1));
                assertEquals(0, slice.gain(18 * 2));
                assertTrue(slice.gain(5 * 2) > 0, "the head beside it");
            }
        }
    }

    @Test
    void seedChangesTheSignsAndNothingElse() {
        try (Arena arena = Arena.ofConfined()) {
            Slice[] slices = new Slice[2];
            for (int seed = 0; seed < 2; seed++) {
                RotationShape shape = new RotationShape(4, 64, seed, false, ElementType.F16, ElementType.F16, 50, 64);
                slices[seed] = Slice.code(arena, shape, Fill.NORMAL, 0, new SplittableRandom(1));
            }
            assertTrue(slices[0].outputs().get(0).slice().mismatch(slices[1].outputs().get(0).slice()) >= 0, "codes are the same");
            assertEquals(slices[0].relativeError(), slices[1].relativeError(), 0.001);
        }
    }

    @Test
    void gainOrMeanThatIsNotFiniteIsRefused() {
        try (Arena arena = Arena.ofConfined()) {
            for (ElementType parameter : new ElementType[] {ElementType.F16, ElementType.BF16}) {
                RotationShape shape = new RotationShape(4, 16, 3, true, ElementType.F16, parameter, 30, 48);
                MemorySegment codes = arena.allocate(shape.codeBytes());
                MemorySegment gains = arena.allocate(2 * shape.gains());
                MemorySegment means = arena.allocate(2L * shape.channels());
                MemorySegment rows = arena.allocate(shape.rowBytes());
                short infinity = (short) (parameter == ElementType.F16 ? 0x7c00 : 0xff80);
                gains.setAtIndex(Bounds.SHORT, 67, infinity);
                Parity.bothRefuse(IllegalArgumentException.class, "a gain", k -> k.hadamard().decode(shape, codes, 0, gains, 0, means, 0, rows, 0));
                gains.fill((byte) 0);
                means.setAtIndex(Bounds.SHORT, 47, infinity);
                Parity.bothRefuse(IllegalArgumentException.class, "a mean", k -> k.hadamard().decode(shape, codes, 0, gains, 0, means, 0, rows, 0));
                Parity.bothRefuse(IllegalArgumentException.class, "a mean", k -> k.hadamard().encode(shape, rows, 0, means, 0, codes, 0, gains, 0));
            }
        }
    }

    @Test
    void segmentsThatDoNotFitAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            RotationShape shape = new RotationShape(3, 32, 1, true, ElementType.F16, ElementType.F16, 10, 96);
            MemorySegment[] enough = {
                arena.allocate(shape.rowBytes()), arena.allocate(2L * shape.channels()), arena.allocate(shape.codeBytes()), arena.allocate(2 * shape.gains())
            };
            for (int i = 0; i < enough.length; i++) {
                MemorySegment[] tooShort = enough.clone();
                tooShort[i] = enough[i].asSlice(1);
                Parity.bothRefuse(IndexOutOfBoundsException.class, "short segment " + i, k -> encode(k, shape, tooShort));
                Parity.bothRefuse(IndexOutOfBoundsException.class, "short segment " + i, k -> decode(k, shape, tooShort));
                MemorySegment[] onHeap = enough.clone();
                onHeap[i] = MemorySegment.ofArray(new byte[(int) enough[i].byteSize()]);
                Parity.bothRefuse(IllegalArgumentException.class, "heap segment " + i, k -> encode(k, shape, onHeap));
                Parity.bothRefuse(IllegalArgumentException.class, "heap segment " + i, k -> decode(k, shape, onHeap));
                MemorySegment[] readOnly = enough.clone();
                readOnly[i] = enough[i].asReadOnly();
                if (i > 1) {
                    Parity.bothRefuse(IllegalArgumentException.class, "read-only output " + i, k -> encode(k, shape, readOnly));
                } else if (i == 0) {
                    Parity.bothRefuse(IllegalArgumentException.class, "read-only rows", k -> decode(k, shape, readOnly));
                }
            }
        }
    }

    private static void encode(Kernels kernels, RotationShape shape, MemorySegment[] s) {
        kernels.hadamard().encode(shape, s[0], 0, s[1], 0, s[2], 0, s[3], 0);
    }

    private static void decode(Kernels kernels, RotationShape shape, MemorySegment[] s) {
        kernels.hadamard().decode(shape, s[2], 0, s[3], 0, s[1], 0, s[0], 0);
    }

    @Test
    void impossibleShapesAreRefused() {
        ElementType f16 = ElementType.F16;
        assertThrows(IllegalArgumentException.class, () -> new RotationShape(5, 64, 0, false, f16, f16, 1, 64));
        assertThrows(IllegalArgumentException.class, () -> new RotationShape(1, 64, 0, false, f16, f16, 1, 64));
        assertThrows(IllegalArgumentException.class, () -> new RotationShape(4, 0, 0, false, f16, f16, 1, 64));
        assertThrows(IllegalArgumentException.class, () -> new RotationShape(4, 4097, 0, false, f16, f16, 1, 4097));
        assertThrows(IllegalArgumentException.class, () -> new RotationShape(4, 64, 0, false, f16, ElementType.F32, 1, 64));
        assertThrows(IllegalArgumentException.class, () -> new RotationShape(4, 64, 0, false, f16, f16, 1, 96));
        assertThrows(IllegalArgumentException.class, () -> new RotationShape(4, 64, 0, false, f16, f16, -1, 64));
    }
}
