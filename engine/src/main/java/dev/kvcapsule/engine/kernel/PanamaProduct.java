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
    /** A block with fewer than this part of its values is a list; more would not fit its slot, and are hardly slower as they are. */
    private static final double SPARSE = 0.5;
    private static final int DENSE = -1;
    /** Floats of a block, or of its longest list and the pair behind that is written before it is known whether it counts. */
    private static final int SLOT = PanamaTile.ROWS * PanamaTile.DEPTH + 2;
    /** Rows of a panel that lists are cut at: so many fit the first-level cache, and what a list needs is read from there. */
    private static final int NEAR = 32;
    private static final int PARTS = PanamaTile.DEPTH / NEAR;
    /** Ints of a slot: how long the lists of each part and row are, and where the next list begins. */
    private static final int COUNTS = PARTS * PanamaTile.ROWS + 1;

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
    private final boolean zeros;

    /** @param zeros whether a has enough zeros to look for them */
    PanamaProduct(int n, Rows a, boolean zeros, Panels b, MemorySegment c, long cAt, long cStride, TransformScratch scratch) {
        this.n = n;
        this.a = a;
        this.zeros = zeros;
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
        float[] packed = scratch.first((groups * slots + 1) * SLOT);
        int[] counts = scratch.counts(groups * slots * COUNTS);
        for (int g = 0; g < groups; g++) {
            for (int s = 0; s < slots; s++) {
                int at = g * slots + s;
                int firstRow = g * PanamaTile.ROWS;
                pack(row + firstRow, Math.min(PanamaTile.ROWS, rows - firstRow), first + s * PanamaTile.DEPTH, Math.min(PanamaTile.DEPTH, count - s * PanamaTile.DEPTH),
                        packed, at * SLOT, groups * slots * SLOT, counts, at * COUNTS);
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
                    counts[at * COUNTS + COUNTS - 1] = at * SLOT;
                    if (counts[at * COUNTS] == DENSE) {
                        PanamaTile.dense(packed, at * SLOT, panel, depth, tile, g * PanamaTile.ROWS * PanamaTile.COLUMNS, vectors);
                    }
                }
                for (int part = 0; part < Math.ceilDiv(depth, NEAR); part++) {
                    for (int g = 0; g < groups; g++) {
                        int at = (g * slots + s) * COUNTS;
                        if (counts[at] != DENSE) {
                            sparse(packed, counts, at, at + part * PanamaTile.ROWS, panel, tile, g * PanamaTile.ROWS * PanamaTile.COLUMNS);
                        }
                    }
                }
            }
            write(tile, row, rows, column, columns, vectors);
        }
    }

    private static void sparse(float[] packed, int[] counts, int at, int firstCount, float[] panel, float[] tile, int sums) {
        int list = counts[at + COUNTS - 1];
        for (int r = 0; r < PanamaTile.ROWS; r++) {
            int count = counts[firstCount + r];
            if (count > 0) {
                PanamaTile.sparse(packed, list, count, panel, tile, sums + r * PanamaTile.COLUMNS);
                list += 2 * count;
            }
        }
        counts[at + COUNTS - 1] = list;
    }

    /** Fills a slot: all values, rows one after the other, or the lists of its parts and rows; {@code spare} is a free slot. */
    private void pack(int row, int rows, int first, int depth, float[] packed, int slot, int spare, int[] counts, int firstCount) {
        int rowsAt = zeros ? spare : slot;
        int total = 0;
        for (int r = 0; r < PanamaTile.ROWS; r++) {
            int to = rowsAt + r * PanamaTile.DEPTH;
            if (r < rows) {
                a.write(row + r, first, depth, packed, to);
                total += zeros ? nonzeros(packed, to, depth) : 0;
            } else {
                Arrays.fill(packed, to, to + PanamaTile.DEPTH, 0);
            }
        }
        if (!zeros || total > SPARSE * PanamaTile.ROWS * depth) {
            counts[firstCount] = DENSE;
            if (zeros) {
                System.arraycopy(packed, spare, packed, slot, PanamaTile.ROWS * PanamaTile.DEPTH);
            }
            return;
        }
        int at = slot;
        for (int part = 0; part < Math.ceilDiv(depth, NEAR); part++) {
            for (int r = 0; r < PanamaTile.ROWS; r++) {
                int end = list(packed, spare + r * PanamaTile.DEPTH, part * NEAR, Math.min(depth, (part + 1) * NEAR), at);
                counts[firstCount + part * PanamaTile.ROWS + r] = (end - at) / 2;
                at = end;
            }
        }
    }

    private static int nonzeros(float[] packed, int from, int depth) {
        int count = 0;
        for (int p = from; p < from + depth; p++) {
            count += isNonzero(packed[p]);
        }
        return count;
    }

    /** 1 or 0, without a branch, which no processor could foresee. */
    private static int isNonzero(float value) {
        int magnitude = Float.floatToRawIntBits(value) << 1;
        return (magnitude | -magnitude) >>> 31;
    }

    /** Writes values that are not zero, each with where its row of the panel begins, as the bits of a float, and gives the end of the list. */
    private static int list(float[] packed, int from, int first, int end, int to) {
        int at = to;
        for (int p = first; p < end; p++) {
            float value = packed[from + p];
            packed[at] = value;
            packed[at + 1] = Float.intBitsToFloat(p * PanamaTile.COLUMNS);
            at += 2 * isNonzero(value);
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

    private void write(float[] tile, int row, int rows, int column, int columns, int vectors) {
        for (int r = 0; r < rows; r++) {
            PanamaTile.positiveZeros(tile, r * PanamaTile.COLUMNS, vectors * PanamaTile.LANES);
            MemorySegment.copy(tile, r * PanamaTile.COLUMNS, c, Bounds.FLOAT, at(row + r, column), columns);
        }
    }

    private long at(long row, int column) {
        return cAt + 4 * (row * cStride + column);
    }
}
