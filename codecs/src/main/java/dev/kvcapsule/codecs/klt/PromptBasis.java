package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.codecs.coefficients.CoefficientTables;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
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
 * The basis that a capsule carries when there is no shared one: principal components of its own cache, as {@link CarriedRows}. Form: docs/format.md, "klt".
 */
final class PromptBasis {
    /** Components whose deviation is smaller than this share of the step cost more than they give. */
    private static final double LEAST_DEVIATION = 1 / 3.0;

    /** Parts of a code: one that exceeds a byte is 128 x high + low, in two rows. */
    private static final int PART = 128;

    private static final int LARGEST_CODE = 126 * PART;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private PromptBasis() {}

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
        CarriedRows rows = round(spectrum, step, width);
        int[] tensors = group.tensorWidths();
        int fixed = 4 + 2 * width + 4 * tensors.length;
        try (GrowingBuffer buffer = new GrowingBuffer()) {
            MemorySegment bytes = buffer.atLeast(fixed + CarriedRows.maxBytes(rows.components(), width));
            bytes.set(INT, 0, rows.components());
            long at = 4;
            for (float value : spectrum.mean()) {
                bytes.set(SHORT, at, Float.floatToFloat16(value));
                at += 2;
            }
            for (float deviation : spectrum.tensorDeviations()) {
                bytes.set(Transform.FLOAT, at, deviation);
                at += 4;
            }
            at += rows.write(width, bytes.asSlice(at));
            Transform decoders = transform(group, spectrum.mean(), spectrum.tensorDeviations(), rows, arena);
            return new Written(bytes.asSlice(0, at).toArray(ValueLayout.JAVA_BYTE), decoders.with(GramInverse.of(rows, width, arena)));
        }
    }

    private static CarriedRows round(PromptSpectrum spectrum, double step, int width) {
        int components = 0;
        while (components < spectrum.deviations().length && spectrum.deviations()[components] >= step * LEAST_DEVIATION) {
            components++;
        }
        double[] deviations = Arrays.copyOf(spectrum.deviations(), components);
        double[] units = Arrays.stream(deviations).map(deviation -> step / Math.sqrt(spectrum.tokens()) / deviation).toArray();
        return CarriedRows.round(spectrum.vectors(), deviations, units, width, LARGEST_CODE);
    }

    private static Transform transform(LayerGroup group, float[] mean, float[] tensorDeviations, CarriedRows carried, Arena arena) {
        int width = mean.length;
        int components = carried.components();
        int runs = TransformBasis.runs(width);
        int[] split = splitRows(carried.codes(), components, width);
        int rows = components + split.length;
        MemorySegment codes = arena.allocate(Math.max(1, (long) rows * width), 64);
        MemorySegment scales = arena.allocate(Math.max(2, 2L * rows * runs), 64);
        for (int k = 0; k < components; k++) {
            for (int w = 0; w < width; w++) {
                codes.set(ValueLayout.JAVA_BYTE, (long) k * width + w, (byte) carried.codes()[k * width + w]);
            }
            CarriedRows.fill(scales, k, width, carried.scales()[k]);
        }
        for (int i = 0; i < split.length; i++) {
            for (int w = 0; w < width; w++) {
                int code = carried.codes()[split[i] * width + w];
                int high = code + PART / 2 >> 7;
                codes.set(ValueLayout.JAVA_BYTE, (long) split[i] * width + w, (byte) (code - PART * high));
                codes.set(ValueLayout.JAVA_BYTE, (long) (components + i) * width + w, (byte) high);
            }
            // A power of two more is exact, as far as binary16 goes.
            CarriedRows.fill(scales, components + i, width, Float.floatToFloat16(PART * carried.scale(split[i])));
        }
        float[] deviations = new float[width];
        int[] widths = group.tensorWidths();
        for (int tensor = 0, first = 0; tensor < widths.length; first += widths[tensor++]) {
            Arrays.fill(deviations, first, first + widths[tensor], tensorDeviations[tensor]);
        }
        return new Transform(group, mean, new ScaleWeighting(deviations), new TransformBasis(codes, scales, rows, width).lasting(), 0, carried.deviations(), split, TokenSensitivity.UNKNOWN, OptionalDouble.empty(), null, null);
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

    /**
     * Reads the bases of all groups of a cache.
     *
     * @param carried as a capsule brought it
     * @param arena owns what is made
     */
    static Transforms read(CacheLayout layout, KltCodec codec, MemorySegment carried, Arena arena) throws MalformedDataException {
        List<Transform> transforms = new ArrayList<>();
        CarriedBytes in = new CarriedBytes(carried);
        for (int s = 0; s < layout.subCaches().size(); s++) {
            for (LayerGroup group : LayerGroup.of(s, layout.subCaches().get(s), codec.settings().layersPerGroup(layout.subCaches().get(s)))) {
                in.begin(group);
                transforms.add(read(in, group, layout.subCaches().get(s).cells(), arena));
            }
        }
        in.end();
        return new Transforms(transforms, CoefficientTables.standard());
    }

    private static Transform read(CarriedBytes in, LayerGroup group, int cells, Arena arena) throws MalformedDataException {
        int width = group.width();
        // A prompt has no more components than tokens, so that a basis is never larger than the cache it is for.
        int components = in.components(Math.min(width, cells));
        MemorySegment means = in.take(2L * width);
        float[] mean = new float[width];
        for (int w = 0; w < width; w++) {
            mean[w] = in.finite(Float.float16ToFloat(means.get(SHORT, 2L * w)));
        }
        float[] tensorDeviations = new float[group.tensorWidths().length];
        for (int tensor = 0; tensor < tensorDeviations.length; tensor++) {
            tensorDeviations[tensor] = in.finite(in.take(4).get(Transform.FLOAT, 0));
        }
        return transform(group, mean, tensorDeviations, CarriedRows.read(in, components, width, LARGEST_CODE), arena);
    }
}
