package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientCoder;
import dev.kvcapsule.codecs.coefficients.CoefficientModel;
import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.kernel.CoefficientKernel;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.TransformBasis;
import dev.kvcapsule.engine.memory.GrowingBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/**
 * The basis that a capsule carries when there is no shared one: principal components of its own cache. Precision costs bytes here, and is worth
 * what it is worth for the coefficients: an error in a component is repeated in all T tokens, so that its entries, multiplied by the component's
 * deviation, are rounded with the coefficients' step over sqrt(T), and entropy-coded like the coefficients. Form: docs/format.md, "klt".
 */
final class PromptBasis {
    /** Results are the same from any: a basis is little beside its tiles, and no one says here which kernels those use. */
    private static final CoefficientKernel COEFFICIENTS = Kernels.scalar().coefficients();

    /** Components whose deviation is smaller than this share of the step cost more than they give. */
    private static final double LEAST_DEVIATION = 1 / 3.0;

    /** Parts of a code: one that exceeds a byte is 128 x high + low, in two rows. */
    private static final int PART = 128;

    /** Smallest normal number of binary16: below it scales would be coarse. */
    private static final double LEAST_SCALE = 0x1p-14;

    /** Largest scale; 128 times that is still a binary16. */
    private static final float LARGEST_SCALE = 256;

    private static final int LARGEST_CODE = 126 * PART;

    /** Integers of a group's basis at most: a damaged length must not claim more memory. Wide groups get fewer components. */
    static final int MAX_CODES = 1 << 26;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private PromptBasis() {}

    /** Integers of a basis and what they are multiplied by. */
    private record Quantized(float[] deviations, short[] scales, int[] codes) {}

    /**
     * The basis of one group.
     *
     * @param bytes as a capsule carries them
     * @param transform what a decoder will make of them, and an encoder needs besides
     */
    record Written(byte[] bytes, Transform transform) {}

    /** Makes the basis of one group for that step. */
    static Written write(PromptSpectrum spectrum, double step, Arena arena) {
        LayerGroup group = spectrum.group();
        int width = group.width();
        Quantized quantized = quantize(spectrum, step, width);
        int components = quantized.deviations().length;
        int[] tensors = group.tensorWidths();
        int fixed = 4 + 2 * width + 4 * tensors.length + 4 * components + 4;
        try (GrowingBuffer buffer = new GrowingBuffer()) {
            MemorySegment bytes = buffer.atLeast(fixed + CoefficientCoder.maxBytes(components, width));
            bytes.set(INT, 0, components);
            long at = 4;
            for (float value : spectrum.mean()) {
                bytes.set(SHORT, at, Float.floatToFloat16(value));
                at += 2;
            }
            for (float deviation : spectrum.tensorDeviations()) {
                bytes.set(Transform.FLOAT, at, deviation);
                at += 4;
            }
            for (int k = 0; k < components; k++, at += 4) {
                bytes.set(SHORT, at, Float.floatToFloat16(quantized.deviations()[k]));
                bytes.set(SHORT, at + 2, quantized.scales()[k]);
            }
            long coded = new CoefficientCoder(COEFFICIENTS).encode(quantized.codes(), components, width, width, priors(width), rowScales(quantized.scales(), width),
                    CoefficientTables.standard(), bytes.asSlice(at + 4), null);
            bytes.set(INT, at, (int) coded);
            Transform decoders = transform(group, spectrum.mean(), spectrum.tensorDeviations(), quantized, arena);
            Transform transform = new Transform(group, decoders.mean(), decoders.weighting(), decoders.basis(), 0, decoders.deviations(), decoders.split(), TokenSensitivity.UNKNOWN, OptionalDouble.empty(),
                    GramInverse.of(quantized.codes(), quantized.scales(), width, arena));
            return new Written(bytes.asSlice(0, at + 4 + coded).toArray(ValueLayout.JAVA_BYTE), transform);
        }
    }

    private static Quantized quantize(PromptSpectrum spectrum, double step, int width) {
        int components = 0;
        while (components < spectrum.deviations().length && spectrum.deviations()[components] >= step * LEAST_DEVIATION) {
            components++;
        }
        float[] deviations = new float[components];
        short[] scales = new short[components];
        int[] codes = new int[Math.multiplyExact(components, width)];
        for (int k = 0; k < components; k++) {
            deviations[k] = Float.float16ToFloat(Float.floatToFloat16((float) Math.min(spectrum.deviations()[k], 65504)));
            long row = 4L * k * width;
            float largest = 0;
            for (int w = 0; w < width; w++) {
                largest = Math.max(largest, Math.abs(spectrum.vectors().get(Transform.FLOAT, row + 4L * w)));
            }
            double unit = Math.max(step / Math.sqrt(spectrum.tokens()) / spectrum.deviations()[k], largest * 1.001 / LARGEST_CODE);
            scales[k] = Float.floatToFloat16((float) Math.clamp(unit, LEAST_SCALE, LARGEST_SCALE));
            float scale = Float.float16ToFloat(scales[k]);
            for (int w = 0; w < width; w++) {
                codes[k * width + w] = Math.clamp((long) Math.rint(spectrum.vectors().get(Transform.FLOAT, row + 4L * w) / scale), -LARGEST_CODE, LARGEST_CODE);
            }
        }
        return new Quantized(deviations, scales, codes);
    }

    private static float[] priors(int width) {
        float[] priors = new float[width];
        Arrays.fill(priors, 1);
        return priors;
    }

    /** Entries of a unit vector of that width deviate by 1 / sqrt(width). */
    private static float[] rowScales(short[] scales, int width) {
        float[] rowScales = new float[scales.length];
        for (int k = 0; k < scales.length; k++) {
            rowScales[k] = CoefficientModel.expectedMagnitude(1 / (StrictMath.sqrt(width) * Float.float16ToFloat(scales[k])));
        }
        return rowScales;
    }

    private static Transform transform(LayerGroup group, float[] mean, float[] tensorDeviations, Quantized quantized, Arena arena) {
        int width = mean.length;
        int components = quantized.deviations().length;
        int runs = TransformBasis.runs(width);
        int[] split = splitRows(quantized.codes(), components, width);
        int rows = components + split.length;
        MemorySegment codes = arena.allocate(Math.max(1, (long) rows * width), 64);
        MemorySegment scales = arena.allocate(Math.max(2, 2L * rows * runs), 64);
        for (int k = 0; k < components; k++) {
            for (int w = 0; w < width; w++) {
                codes.set(ValueLayout.JAVA_BYTE, (long) k * width + w, (byte) quantized.codes()[k * width + w]);
            }
            fill(scales, k, runs, quantized.scales()[k]);
        }
        for (int i = 0; i < split.length; i++) {
            for (int w = 0; w < width; w++) {
                int code = quantized.codes()[split[i] * width + w];
                int high = code + PART / 2 >> 7;
                codes.set(ValueLayout.JAVA_BYTE, (long) split[i] * width + w, (byte) (code - PART * high));
                codes.set(ValueLayout.JAVA_BYTE, (long) (components + i) * width + w, (byte) high);
            }
            // A power of two more is exact, as far as binary16 goes.
            fill(scales, components + i, runs, Float.floatToFloat16(PART * Float.float16ToFloat(quantized.scales()[split[i]])));
        }
        float[] deviations = new float[width];
        int[] widths = group.tensorWidths();
        for (int tensor = 0, first = 0; tensor < widths.length; first += widths[tensor++]) {
            Arrays.fill(deviations, first, first + widths[tensor], tensorDeviations[tensor]);
        }
        return new Transform(group, mean, new ScaleWeighting(deviations), new TransformBasis(codes, scales, rows, width).lasting(), 0, quantized.deviations(), split, TokenSensitivity.UNKNOWN, OptionalDouble.empty(), null);
    }

    /** Rows with a code that does not fit a byte. */
    private static int[] splitRows(int[] codes, int components, int width) {
        return IntStream.range(0, components).filter(k -> {
            for (int w = 0; w < width; w++) {
                if (Math.abs(codes[k * width + w]) >= PART) {
                    return true;
                }
            }
            return false;
        }).toArray();
    }

    private static void fill(MemorySegment scales, int row, int runs, short scale) {
        for (int run = 0; run < runs; run++) {
            scales.set(SHORT, 2 * ((long) row * runs + run), scale);
        }
    }

    /**
     * Reads the bases of all groups of a cache.
     *
     * @param carried as a capsule brought it
     * @param arena owns what is made
     */
    static Transforms read(CacheLayout layout, KltCodec codec, MemorySegment carried, Arena arena) throws MalformedDataException {
        List<Transform> transforms = new ArrayList<>();
        long at = 0;
        for (int s = 0; s < layout.subCaches().size(); s++) {
            for (LayerGroup group : LayerGroup.of(s, layout.subCaches().get(s), codec.settings().layersPerGroup(layout.subCaches().get(s)))) {
                Reader reader = new Reader(carried, at);
                transforms.add(reader.read(group, layout.subCaches().get(s).cells(), arena));
                at = reader.at;
            }
        }
        if (at != carried.byteSize()) {
            throw new MalformedDataException("basis: " + (carried.byteSize() - at) + " bytes follow the last group");
        }
        return new Transforms(transforms, CoefficientTables.standard());
    }

    /** Reads one group. */
    private static final class Reader {
        private final MemorySegment bytes;
        private long at;

        Reader(MemorySegment bytes, long at) {
            this.bytes = bytes;
            this.at = at;
        }

        private long take(long count, LayerGroup group) throws MalformedDataException {
            if (count > bytes.byteSize() - at) {
                throw new MalformedDataException("basis of " + group + " ends early");
            }
            long start = at;
            at += count;
            return start;
        }

        Transform read(LayerGroup group, int cells, Arena arena) throws MalformedDataException {
            int width = group.width();
            int components = bytes.get(INT, take(4, group));
            // A prompt has no more components than tokens, so that a basis is never larger than the cache it is for.
            if (components < 0 || components > Math.min(width, cells) || (long) components * width > MAX_CODES) {
                throw new MalformedDataException("basis of " + group + " with " + components + " components");
            }
            if (2L * width + 4L * components > bytes.byteSize() - at) {
                throw new MalformedDataException("basis of " + group + " ends early");
            }
            float[] mean = new float[width];
            for (int w = 0; w < width; w++) {
                mean[w] = finite(Float.float16ToFloat(bytes.get(SHORT, take(2, group))), group);
            }
            float[] tensorDeviations = new float[group.tensorWidths().length];
            for (int tensor = 0; tensor < tensorDeviations.length; tensor++) {
                tensorDeviations[tensor] = finite(bytes.get(Transform.FLOAT, take(4, group)), group);
            }
            float[] deviations = new float[components];
            short[] scales = new short[components];
            for (int k = 0; k < components; k++) {
                deviations[k] = finite(Float.float16ToFloat(bytes.get(SHORT, take(2, group))), group);
                scales[k] = bytes.get(SHORT, take(2, group));
                if (!(finite(Float.float16ToFloat(scales[k]), group) > 0)) {
                    throw new MalformedDataException("basis of " + group + ": scale of component " + k + " is not positive");
                }
                if (Float.float16ToFloat(scales[k]) > LARGEST_SCALE) {
                    throw new MalformedDataException("basis of " + group + ": scale of component " + k + " is out of range");
                }
            }
            int length = bytes.get(INT, take(4, group));
            if (length < 0) {
                throw new MalformedDataException("basis of " + group + " ends early");
            }
            int[] codes = new int[components * width];
            new CoefficientCoder(COEFFICIENTS).decode(bytes.asSlice(take(length, group), length), codes, components, width, width, priors(width), rowScales(scales, width),
                    CoefficientTables.standard());
            for (int code : codes) {
                if (Math.abs(code) > LARGEST_CODE) {
                    throw new MalformedDataException("basis of " + group + " holds " + code);
                }
            }
            return transform(group, mean, tensorDeviations, new Quantized(deviations, scales, codes), arena);
        }

        private static float finite(float value, LayerGroup group) throws MalformedDataException {
            if (!Float.isFinite(value)) {
                throw new MalformedDataException("basis of " + group + " holds a number that is not finite");
            }
            return value;
        }
    }
}
