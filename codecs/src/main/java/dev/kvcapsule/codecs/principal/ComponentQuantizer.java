package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.kernel.TransformBasis;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Rounds components to 8 or 4 bits, each run of a row to a scale of its own. */
public final class ComponentQuantizer {
    /** Largest magnitude of a code. */
    public static final int LARGEST_CODE = 127;

    private static final int SCALES_AT_ONCE = 4096;

    /** Where the codes of 4 bits may end, of the largest value. */
    private static final float[] COARSE_SHARES = {1, 0.92f, 0.85f, 0.78f};

    /** All of these bits are set in an f16 that is infinite or no number. */
    private static final int HALF_EXPONENT = 0x7c00;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private ComponentQuantizer() {}

    /** A basis of zeros. */
    public static TransformBasis empty(int components, int width, Arena arena) {
        long codes = (long) components * width;
        long scales = 2L * components * TransformBasis.runs(width);
        return new TransformBasis(arena.allocate(Math.max(1, codes), 64).asSlice(0, codes), arena.allocate(Math.max(2, scales), 64).asSlice(0, scales), components, width);
    }

    /**
     * Rounds all components to 8 bits.
     *
     * @param vectors f32 {@code [components][width]}, of magnitude 1 at most
     * @param arena owns the result
     */
    public static TransformBasis quantize(MemorySegment vectors, int components, int width, Arena arena) {
        return quantize(vectors, components, components, width, arena);
    }

    /**
     * Rounds.
     *
     * @param vectors f32 {@code [components][width]}, of magnitude 1 at most
     * @param fine components that are rounded to 8 bits, the first ones; codes of the others are 4 bits wide, in a byte each ({@link NibbleRows} packs them)
     * @param arena owns the result
     */
    public static TransformBasis quantize(MemorySegment vectors, int components, int fine, int width, Arena arena) {
        TransformBasis basis = empty(components, width, arena);
        int runs = TransformBasis.runs(width);
        float[] values = new float[TransformBasis.RUN];
        for (int k = 0; k < components; k++) {
            for (int run = 0; run < runs; run++) {
                long first = (long) k * width + (long) run * TransformBasis.RUN;
                int count = Math.min(TransformBasis.RUN, width - run * TransformBasis.RUN);
                MemorySegment.copy(vectors, FLOAT, 4 * first, values, 0, count);
                int largestCode = k < fine ? LARGEST_CODE : NibbleRows.LARGEST_CODE;
                short half = k < fine ? Float.floatToFloat16(largest(values, count) / largestCode) : coarseScale(values, count);
                float scale = Float.float16ToFloat(half);
                basis.scales().set(SHORT, 2 * ((long) k * runs + run), half);
                for (int i = 0; i < count; i++) {
                    basis.codes().set(ValueLayout.JAVA_BYTE, first + i, (byte) code(values[i], scale, largestCode));
                }
            }
        }
        return basis;
    }

    private static float largest(float[] values, int count) {
        float largest = 0;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, Math.abs(values[i]));
        }
        return largest;
    }

    private static int code(float value, float scale, int largestCode) {
        return scale == 0 ? 0 : Math.clamp((long) Math.rint(value / scale), -largestCode, largestCode);
    }

    /** With few codes it pays to cut the largest values: of some scales the one with the least squared error. */
    private static short coarseScale(float[] values, int count) {
        float largest = largest(values, count);
        short best = 0;
        double least = Double.POSITIVE_INFINITY;
        for (float share : COARSE_SHARES) {
            short half = Float.floatToFloat16(largest * share / NibbleRows.LARGEST_CODE);
            float scale = Float.float16ToFloat(half);
            double error = 0;
            for (int i = 0; i < count; i++) {
                double difference = values[i] - (double) scale * code(values[i], scale, NibbleRows.LARGEST_CODE);
                error += difference * difference;
            }
            if (error < least) {
                least = error;
                best = half;
            }
        }
        return best;
    }

    /** Whether every scale is finite. */
    public static boolean isFinite(TransformBasis basis) {
        long count = (long) basis.components() * TransformBasis.runs(basis.width());
        short[] halves = new short[(int) Math.min(count, SCALES_AT_ONCE)];
        for (long from = 0; from < count; from += halves.length) {
            int now = (int) Math.min(halves.length, count - from);
            MemorySegment.copy(basis.scales(), SHORT, Short.BYTES * from, halves, 0, now);
            for (int i = 0; i < now; i++) {
                if ((halves[i] & HALF_EXPONENT) == HALF_EXPONENT) {
                    return false;
                }
            }
        }
        return true;
    }
}
