package dev.kvcapsule.engine.linalg;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Eigenvalues in descending order and their eigenvectors. Owns the vectors' memory. Vectors have unit length and are orthogonal up to rounding; of each the
 * entry that is largest in magnitude (the first such) is positive.
 */
public final class Eigen implements AutoCloseable {
    private final Arena arena;
    private final double[] values;
    private final MemorySegment vectors;
    private final int n;
    private final String method;

    /**
     * Takes the arena over.
     *
     * @param arena   owner of the vectors, closed with this object
     * @param values  eigenvalues, descending
     * @param vectors f32 {@code [values.length][n]}
     * @param n       length of a vector
     * @param method  how they were found, for people
     */
    public Eigen(Arena arena, double[] values, MemorySegment vectors, int n, String method) {
        this.arena = arena;
        this.values = values;
        this.vectors = vectors;
        this.n = n;
        this.method = method;
    }

    /** Eigenpairs. */
    public int count() {
        return values.length;
    }

    /** Length of a vector. */
    public int n() {
        return n;
    }

    /** Eigenvalue i; rounding may leave one that should be 0 a little below. */
    public double value(int i) {
        return values[i];
    }

    /** f32 {@code [count][n]} little-endian: a vector a row. Gone once this object is closed. */
    public MemorySegment vectors() {
        return vectors;
    }

    /** How they were found, for people. */
    public String method() {
        return method;
    }

    @Override
    public void close() {
        arena.close();
    }
}
