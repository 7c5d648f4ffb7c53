package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * {@code c += a b}, block by block: a is packed once, zeros are looked for meanwhile; a tile of c is copied to scratch, where it stays until all of a and b
 * has been added; b comes in panels of {@link PanamaTile#DEPTH} rows. Blocks of a that are mostly zeros become lists of what is none.
 */
final class PanamaProduct {
    /** Rows that share a panel. Their sums fill a part of the second-level cache. */
    private static final int BLOCK = 512;
    /** Products that are packed together, at most; sums then go to memory and come back. */
    private static final int SPAN = 16 * PanamaTile.DEPTH;
    /** A block with fewer than this part of its values is a list: a product takes so much longer there. */
    private static final double SPARSE = 0.38;
    private static final int DENSE = -1;

    /** Where the rows of a come from. */
    @FunctionalInterface
    interface Rows {
        /** Writes values {@code first} to {@code first + count - 1} of row {@code row}, f32, from {@code at} on. */
        void write(int row, int first, int count, float[] to, int at);
    }

    /** Where b comes from. */
    @FunctionalInterface
    interface Panels {
        /** Writes rows {@code first} to {@code first + depth - 1}, {@link PanamaTile#COLUMNS} columns from {@code column} on, zeros beyond the last. */
        void write(int first, int depth, int column, float[] to);
    }

    private final int n;
    private final Rows a;
    private final Panels b;
    private final MemorySegment c;
    private final long cAt;
    private final long cStride;
    private final TransformScratch scratch;

    PanamaProduct(int n, Rows a, Panels b, MemorySegment c, long cAt, long cStride, TransformScratch scratch) {
        this.n = n;
        this.a = a;
        this.b = b;
        this.c = c;
        this.cAt = cAt;
        this.cStride = cStride;
        this.scratch = scratch;
    }

    void run(int m, int k) {
        for (int row = 0; row < m; row += BLOCK) {
            // k = 0 still makes zeros positive.
            for (int first = 0; first == 0 || first < k; first += SPAN) {
                block(row, Math.min(BLOCK, m - row), first, Math.min(SPAN, k - first));
            }
        }
    }

    private void block(int row, int rows, int first, int count) {
        int groups = Math.ceilDiv(rows, PanamaTile.ROWS);
        int slots = Math.ceilDiv(count, PanamaTile.DEPTH);
        int slot = PanamaTile.ROWS * PanamaTile.DEPTH;
        float[] packed = scratch.first((groups * slots + 1) * slot);
        int[] counts = scratch.counts(groups * slots * PanamaTile.ROWS);
        for (int g = 0; g < groups; g++) {
            for (int s = 0; s < slots; s++) {
                int at = g * slots + s;
                int firstRow = g * PanamaTile.ROWS;
                pack(row + firstRow, Math.min(PanamaTile.ROWS, rows - firstRow), first + s * PanamaTile.DEPTH, Math.min(PanamaTile.DEPTH, count - s * PanamaTile.DEPTH),
                        packed, at * slot, groups * slots * slot, counts, at * PanamaTile.ROWS);
            }
        }
        float[] panel = scratch.third(PanamaTile.DEPTH * PanamaTile.COLUMNS);
        float[] tile = scratch.second(groups * PanamaTile.ROWS * PanamaTile.COLUMNS);
        for (int column = 0; column < n; column += PanamaTile.COLUMNS) {
            int columns = Math.min(PanamaTile.COLUMNS, n - column);
            int vectors = Math.ceilDiv(columns, PanamaTile.LANES);
            read(tile, row, rows, groups * PanamaTile.ROWS, column, columns);
            for (int s = 0; s < slots; s++) {
                int depth = Math.min(PanamaTile.DEPTH, count - s * PanamaTile.DEPTH);
                b.write(first + s * PanamaTile.DEPTH, depth, column, panel);
                for (int g = 0; g < groups; g++) {
                    int at = g * slots + s;
                    int sums = g * PanamaTile.ROWS * PanamaTile.COLUMNS;
                    if (counts[at * PanamaTile.ROWS] == DENSE) {
                        PanamaTile.dense(packed, at * slot, panel, depth, tile, sums, vectors);
                    } else {
                        sparse(packed, at * slot, counts, at * PanamaTile.ROWS, panel, tile, sums);
                    }
                }
            }
            write(tile, row, rows, column, columns);
        }
    }

    private static void sparse(float[] packed, int at, int[] counts, int firstCount, float[] panel, float[] tile, int sums) {
        int list = at;
        for (int r = 0; r < PanamaTile.ROWS; r++) {
            int count = counts[firstCount + r];
            if (count > 0) {
                PanamaTile.sparse(packed, list, count, panel, tile, sums + r * PanamaTile.COLUMNS);
                list += 2 * count;
            }
        }
    }

    /** Fills a slot: all values, rows one after the other, or the lists of the rows; {@code spare} is a free slot. */
    private void pack(int row, int rows, int first, int depth, float[] packed, int slot, int spare, int[] counts, int firstCount) {
        int total = 0;
        for (int r = 0; r < PanamaTile.ROWS; r++) {
            int to = spare + r * PanamaTile.DEPTH;
            int count = 0;
            if (r < rows) {
                a.write(row + r, first, depth, packed, to);
                for (int p = to; p < to + depth; p++) {
                    count += packed[p] == 0 ? 0 : 1;
                }
            } else {
                Arrays.fill(packed, to, to + PanamaTile.DEPTH, 0);
            }
            counts[firstCount + r] = count;
            total += count;
        }
        if (total > SPARSE * PanamaTile.ROWS * depth) {
            counts[firstCount] = DENSE;
            System.arraycopy(packed, spare, packed, slot, PanamaTile.ROWS * PanamaTile.DEPTH);
            return;
        }
        int at = slot;
        for (int r = 0; r < rows; r++) {
            if (counts[firstCount + r] > 0) {
                at = list(packed, spare + r * PanamaTile.DEPTH, depth, at);
            }
        }
    }

    /** Writes values that are not zero, each with its number, which a float holds exactly, and gives the end of the list. */
    private static int list(float[] packed, int from, int depth, int to) {
        int at = to;
        for (int p = 0; p < depth; p++) {
            if (packed[from + p] != 0) {
                packed[at] = packed[from + p];
                packed[at + 1] = p;
                at += 2;
            }
        }
        return at;
    }

    private void read(float[] tile, int row, int rows, int padded, int column, int columns) {
        for (int r = 0; r < padded; r++) {
            int to = r * PanamaTile.COLUMNS;
            int known = r < rows ? columns : 0;
            if (known > 0) {
                MemorySegment.copy(c, Bounds.FLOAT, at(row + r, column), tile, to, known);
            }
            Arrays.fill(tile, to + known, to + PanamaTile.COLUMNS, 0);
        }
    }

    private void write(float[] tile, int row, int rows, int column, int columns) {
        PanamaTile.positiveZeros(tile, 0, rows * PanamaTile.COLUMNS);
        for (int r = 0; r < rows; r++) {
            MemorySegment.copy(tile, r * PanamaTile.COLUMNS, c, Bounds.FLOAT, at(row + r, column), columns);
        }
    }

    private long at(long row, int column) {
        return cAt + 4 * (row * cStride + column);
    }
}
