package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A basis whose rows are components: {@code u[k][w] = (float) scale[k][w / 64] * code[k][w]}, which binary32 holds exactly (11 + 7 bits). Used in
 * place, from a mapped file as well as from scratch.
 *
 * @param codes      native segment, int8 {@code [components][width]}
 * @param scales     native segment, finite f16 {@code [components][runs(width)]}, little-endian
 * @param components rows, {@code >= 0}
 * @param width      values of a row, {@code >= 1}
 */
public record TransformBasis(MemorySegment codes, MemorySegment scales, int components, int width) {
    /** Values that share a scale; the last run of a row may be shorter. */
    public static final int RUN = 64;

    /**
     * Checks the sizes; trailing bytes are allowed.
     *
     * @throws IllegalArgumentException  if a segment is on the heap or a number is out of range
     * @throws IndexOutOfBoundsException if a segment is too short
     */
    public TransformBasis {
        if (components < 0 || width < 1) {
            throw new IllegalArgumentException("a basis of " + components + " components of width " + width);
        }
        Bounds.check(codes, 0, (long) components * width);
        Bounds.check(scales, 0, 2L * components * runs(width));
    }

    /** Scales of a row. */
    public static int runs(int width) {
        return Math.ceilDiv(width, RUN);
    }

    /**
     * Some successive components as a basis of their own.
     *
     * @throws IndexOutOfBoundsException if there are fewer
     */
    public TransformBasis range(int first, int count) {
        Objects.checkFromIndexSize(first, count, components);
        long scaleBytes = 2L * runs(width);
        return new TransformBasis(codes.asSlice((long) first * width, (long) count * width), scales.asSlice(first * scaleBytes, count * scaleBytes),
                count, width);
    }

    /** Scale of run {@code run} of component {@code k}. */
    float scale(int k, int run) {
        return Float.float16ToFloat(scales.get(Bounds.SHORT, 2L * ((long) k * runs(width) + run)));
    }
}
