package dev.kvcapsule.codecs.principal;

import dev.kvcapsule.engine.kernel.TransformBasis;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Rounds components to 8 bits, each run of a row to a scale of its own. */
public final class ComponentQuantizer {
    /** Largest magnitude of a code. */
    public static final int LARGEST_CODE = 127;

    private static final int SCALES_AT_ONCE = 4096;

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
     * Rounds.
     *
     * @param vectors f32 {@code [components][width]}, of magnitude 1 at most
     * @param arena owns the result
     */
    public static TransformBasis quantize(MemorySegment vectors, int components, int width, Arena arena) {
        TransformBasis basis = empty(components, width, arena);
        int runs = TransformBasis.runs(width);
        for (int k = 0; k < components; k++) {
            for (int run = 0; run < runs; run++) {
                long first = (long) k * width + (long) run * TransformBasis.RUN;
                int count = Math.min(TransformBasis.RUN, width - run * TransformBasis.RUN);
                float largest = 0;
                for (int i = 0; i < count; i++) {
                    largest = Math.max(largest, Math.abs(vectors.get(FLOAT, 4 * (first + i))));
                }
                short half = Float.floatToFloat16(largest / LARGEST_CODE);
                float scale = Float.float16ToFloat(half);
                basis.scales().set(SHORT, 2 * ((long) k * runs + run), half);
                for (int i = 0; i < count; i++) {
                    float code = scale == 0 ? 0 : vectors.get(FLOAT, 4 * (first + i)) / scale;
                    basis.codes().set(ValueLayout.JAVA_BYTE, first + i, (byte) Math.clamp((long) Math.rint(code), -LARGEST_CODE, LARGEST_CODE));
                }
            }
        }
        return basis;
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
