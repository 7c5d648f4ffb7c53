package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * A basis whose rows are components: {@code u[k][w] = (float) scale[k][w / 64] * code[k][w]}, which binary32 holds exactly (11 + 7 bits). Used in
 * place, from a mapped file as well as from scratch.
 *
 * <p>One {@linkplain #lasting that lasts} promises that its memory holds the same as long as it is open. A device then keeps a copy.
 */
public final class TransformBasis {
    /** Values that share a scale; the last run of a row may be shorter. */
    public static final int RUN = 64;

    private final MemorySegment codes;
    private final MemorySegment scales;
    private final int components;
    private final int width;
    private final boolean lasts;
    private final TransformBasis whole;

    /**
     * Checks the sizes; trailing bytes are allowed.
     *
     * @param codes      native segment, int8 {@code [components][width]}
     * @param scales     native segment, finite f16 {@code [components][runs(width)]}, little-endian
     * @param components rows, {@code >= 0}
     * @param width      values of a row, {@code >= 1}
     * @throws IllegalArgumentException  if a segment is on the heap or a number is out of range
     * @throws IndexOutOfBoundsException if a segment is too short
     */
    public TransformBasis(MemorySegment codes, MemorySegment scales, int components, int width) {
        this(codes, scales, components, width, false, null);
    }

    private TransformBasis(MemorySegment codes, MemorySegment scales, int components, int width, boolean lasts, TransformBasis whole) {
        if (components < 0 || width < 1) {
            throw new IllegalArgumentException("a basis of " + components + " components of width " + width);
        }
        Bounds.check(codes, 0, (long) components * width);
        Bounds.check(scales, 0, 2L * components * runs(width));
        this.codes = codes;
        this.scales = scales;
        this.components = components;
        this.width = width;
        this.lasts = lasts;
        this.whole = whole == null ? this : whole;
    }

    /** Scales of a row. */
    public static int runs(int width) {
        return Math.ceilDiv(width, RUN);
    }

    /** Native segment, int8 {@code [components][width]}. */
    public MemorySegment codes() {
        return codes;
    }

    /** Native segment, f16 {@code [components][runs(width)]}, little-endian. */
    public MemorySegment scales() {
        return scales;
    }

    /** Rows. */
    public int components() {
        return components;
    }

    /** Values of a row. */
    public int width() {
        return width;
    }

    /** The basis that this is a {@link #range} of; this one if it is none. */
    public TransformBasis whole() {
        return whole;
    }

    /** Whether its memory holds the same as long as it is open. */
    public boolean lasts() {
        return lasts;
    }

    /** This basis as one whose memory nobody will write any more: its owner's promise. */
    public TransformBasis lasting() {
        return new TransformBasis(codes.asReadOnly(), scales.asReadOnly(), components, width, true, null);
    }

    /**
     * Some successive components as a basis of their own.
     *
     * @throws IndexOutOfBoundsException if there are fewer
     */
    public TransformBasis range(int first, int count) {
        Objects.checkFromIndexSize(first, count, components);
        long scaleBytes = 2L * runs(width);
        return new TransformBasis(codes.asSlice((long) first * width, (long) count * width), scales.asSlice(first * scaleBytes, count * scaleBytes), count, width, lasts, whole);
    }

    /** Scale of run {@code run} of component {@code k}. */
    float scale(int k, int run) {
        return Float.float16ToFloat(scales.get(Bounds.SHORT, 2L * ((long) k * runs(width) + run)));
    }
}
