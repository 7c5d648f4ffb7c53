package dev.kvcapsule.engine.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Cosines and sines of a run of positions for rotary position embedding (Su et al., "RoFormer", arXiv 2104.09864): two native
 * binary32 matrices of positions by dims / 2, computed in double and then rounded. Immutable once made; it lives as long as the
 * arena it was allocated from.
 */
public final class RopeTable {
    /** Zero bytes behind each matrix, so that a kernel may load a whole vector at any entry. */
    private static final int PADDING = 64;

    private final MemorySegment cosines;
    private final MemorySegment sines;
    private final int positions;
    private final int pairs;

    /**
     * Computes the table.
     *
     * @param arena       owner of the memory
     * @param positions   position of each row, in tokens
     * @param frequencies radians a token for each pair, one entry a pair, so half of the rotated dims
     */
    public RopeTable(Arena arena, int[] positions, double[] frequencies) {
        this.positions = positions.length;
        this.pairs = frequencies.length;
        long bytes = 4L * positions.length * frequencies.length + PADDING;
        MemorySegment cos = arena.allocate(bytes, 64);
        MemorySegment sin = arena.allocate(bytes, 64);
        long at = 0;
        for (int position : positions) {
            for (double frequency : frequencies) {
                double angle = position * frequency;
                cos.set(Bounds.FLOAT, at, (float) StrictMath.cos(angle));
                sin.set(Bounds.FLOAT, at, (float) StrictMath.sin(angle));
                at += 4;
            }
        }
        cosines = cos.asReadOnly();
        sines = sin.asReadOnly();
    }

    /** {@return rows of the table} */
    public int positions() {
        return positions;
    }

    /** {@return rotated pairs of a head, half the rotated dims} */
    public int pairs() {
        return pairs;
    }

    /** {@return cosines as binary32, [position][pair]; read-only, with 64 bytes behind them} */
    public MemorySegment cosines() {
        return cosines;
    }

    /** {@return sines, as {@link #cosines}} */
    public MemorySegment sines() {
        return sines;
    }
}
