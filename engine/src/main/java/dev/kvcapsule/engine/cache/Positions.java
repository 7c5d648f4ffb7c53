package dev.kvcapsule.engine.cache;

import java.util.Arrays;

/**
 * The token position of every cell of a sub-cache, in cell order: runs of consecutive positions, since that is what caches hold (one run for a
 * plain prompt; two for a sliding window that wrapped around).
 */
public final class Positions {
    /**
     * Most cells that may lie out of order: sorting them takes memory for each, which a few bytes of runs must not be able to ask for. Caches
     * are out of order where a sliding window wrapped around, which is thousands of cells.
     */
    public static final int MAX_UNORDERED_CELLS = 1 << 22;

    private final int[] starts;
    private final int[] firstCells;
    private final int cells;

    private Positions(int[] starts, int[] firstCells, int cells) {
        this.starts = starts;
        this.firstCells = firstCells;
        this.cells = cells;
        if (cells > MAX_UNORDERED_CELLS && !isRising()) {
            throw new IllegalArgumentException(cells + " cells that are not in order of position, " + MAX_UNORDERED_CELLS + " at most");
        }
    }

    /** Positions 0 .. cells-1. */
    public static Positions sequential(int cells) {
        return new Positions(cells == 0 ? new int[0] : new int[] {0}, cells == 0 ? new int[0] : new int[] {0}, cells);
    }

    /**
     * @param positions one a cell, in cell order
     * @throws IllegalArgumentException if there are more than {@link #MAX_UNORDERED_CELLS} and they do not rise
     */
    public static Positions of(int[] positions) {
        int[] starts = new int[8];
        int[] firsts = new int[8];
        int runs = 0;
        for (int cell = 0; cell < positions.length; cell++) {
            if (cell == 0 || positions[cell] != positions[cell - 1] + 1) {
                if (runs == starts.length) {
                    starts = Arrays.copyOf(starts, 2 * runs);
                    firsts = Arrays.copyOf(firsts, 2 * runs);
                }
                starts[runs] = positions[cell];
                firsts[runs++] = cell;
            }
        }
        return new Positions(Arrays.copyOf(starts, runs), Arrays.copyOf(firsts, runs), positions.length);
    }

    /**
     * @param runs start, length, start, length, ... ; every length at least 1
     * @throws IllegalArgumentException if a run is empty, runs past the largest position, there are more than 2^31 - 1 cells,
     *         or more than {@link #MAX_UNORDERED_CELLS} that do not rise
     */
    public static Positions ofRuns(long[] runs) {
        if (runs.length % 2 != 0) {
            throw new IllegalArgumentException("position runs come in pairs of start and length");
        }
        int[] starts = new int[runs.length / 2];
        int[] firsts = new int[runs.length / 2];
        long cells = 0;
        for (int i = 0; i < starts.length; i++) {
            long start = runs[2 * i];
            long length = runs[2 * i + 1];
            if (start != (int) start || length < 1 || length > Integer.MAX_VALUE || start + length - 1 > Integer.MAX_VALUE
                    || cells + length > Integer.MAX_VALUE) {
                throw new IllegalArgumentException("position run " + i + " (" + start + ", " + length + ") is out of range");
            }
            starts[i] = (int) start;
            firsts[i] = (int) cells;
            cells += length;
        }
        return new Positions(starts, firsts, (int) cells);
    }

    /** start, length, start, length, ... */
    public long[] runs() {
        long[] runs = new long[2 * starts.length];
        for (int i = 0; i < starts.length; i++) {
            runs[2 * i] = starts[i];
            runs[2 * i + 1] = runEnd(i) - firstCells[i];
        }
        return runs;
    }

    /** Number of cells. */
    public int cells() {
        return cells;
    }

    /** Position of one cell. */
    public int get(int cell) {
        int run = Arrays.binarySearch(firstCells, cell);
        if (run < 0) {
            run = -run - 2;
        }
        return starts[run] + cell - firstCells[run];
    }

    /** Writes the positions of {@code count} tokens, from token {@code first} on in token order, to {@code out}. */
    public void copy(int[] order, int first, int count, int[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = get(order == null ? first + i : order[first + i]);
        }
    }

    /** Whether cells lie in rising order of position, so that cell order is token order. */
    public boolean isRising() {
        for (int i = 1; i < starts.length; i++) {
            if (starts[i] <= starts[i - 1] + (runEnd(i - 1) - firstCells[i - 1]) - 1) {
                return false;
            }
        }
        return true;
    }

    /** Token order: {@code order[t]} is the cell of the t-th token by position; null if cell order is token order. */
    public int[] tokenOrder() {
        if (isRising()) {
            return null;
        }
        long[] keys = new long[cells];
        for (int cell = 0; cell < cells; cell++) {
            keys[cell] = ((long) get(cell) << 32) | cell;
        }
        Arrays.sort(keys);
        int[] order = new int[cells];
        for (int t = 0; t < cells; t++) {
            order[t] = (int) keys[t];
        }
        return order;
    }

    private int runEnd(int run) {
        return run + 1 < firstCells.length ? firstCells[run + 1] : cells;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Positions that && Arrays.equals(runs(), that.runs());
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(runs());
    }

    @Override
    public String toString() {
        return "Positions" + Arrays.toString(runs());
    }
}
