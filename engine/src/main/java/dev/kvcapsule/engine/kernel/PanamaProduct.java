package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

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
    private static final double SPARSE = 0.45;
    private static final int DENSE = -1;

    /** Where the rows of a come from. */
    @FunctionalInterface
    interface Rows {
        /** Writes values {@code first} to {@code first + count - 1} of row {@code row}, f32, from {@code at} on. */
        void write(int row, int first, int count, MemorySegment to, long at);
    }

    /** Where b comes from. */
    @FunctionalInterface
    interface Panels {
        /** Writes rows {@code first} to {@code first + depth - 1}, {@link PanamaTile#COLUMNS} columns from {@code column} on, zeros beyond the last. */
        void write(int first, int depth, int column, MemorySegment to);
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
        long slotBytes = PanamaTile.ROWS * PanamaTile.A_ROW;
        MemorySegment packed = scratch.packed(groups * slots * slotBytes + slotBytes);
        int[] counts = scratch.counts(groups * slots * PanamaTile.ROWS);
        for (int g = 0; g < groups; g++) {
            for (int s = 0; s < slots; s++) {
                int at = g * slots + s;
                int firstRow = g * PanamaTile.ROWS;
                pack(row + firstRow, Math.min(PanamaTile.ROWS, rows - firstRow), first + s * PanamaTile.DEPTH, Math.min(PanamaTile.DEPTH, count - s * PanamaTile.DEPTH),
                        packed, at * slotBytes, groups * slots * slotBytes, counts, at * PanamaTile.ROWS);
            }
        }
        MemorySegment panel = scratch.panel(PanamaTile.DEPTH * PanamaTile.ROW);
        MemorySegment tile = scratch.tile(groups * PanamaTile.ROWS * PanamaTile.ROW);
        for (int column = 0; column < n; column += PanamaTile.COLUMNS) {
            int columns = Math.min(PanamaTile.COLUMNS, n - column);
            int vectors = Math.ceilDiv(columns, PanamaTile.LANES);
            read(tile, row, rows, groups * PanamaTile.ROWS, column, columns);
            for (int s = 0; s < slots; s++) {
                int depth = Math.min(PanamaTile.DEPTH, count - s * PanamaTile.DEPTH);
                b.write(first + s * PanamaTile.DEPTH, depth, column, panel);
                for (int g = 0; g < groups; g++) {
                    int at = g * slots + s;
                    long sums = g * PanamaTile.ROWS * PanamaTile.ROW;
                    if (counts[at * PanamaTile.ROWS] == DENSE) {
                        PanamaTile.dense(packed, at * slotBytes, panel, depth, tile, sums, vectors);
                    } else {
                        sparse(packed, at * slotBytes, counts, at * PanamaTile.ROWS, panel, tile, sums);
                    }
                }
            }
            write(tile, row, rows, column, columns, vectors);
        }
    }

    private static void sparse(MemorySegment packed, long at, int[] counts, int firstCount, MemorySegment panel, MemorySegment tile, long sums) {
        long list = at;
        for (int r = 0; r < PanamaTile.ROWS; r++) {
            int count = counts[firstCount + r];
            if (count > 0) {
                PanamaTile.sparse(packed, list, count, panel, tile, sums + r * PanamaTile.ROW);
                list += 8L * count;
            }
        }
    }

    /** Fills a slot: all values, rows one after the other, or the lists of the rows; {@code spare} is a free slot. */
    private void pack(int row, int rows, int first, int depth, MemorySegment packed, long slot, long spare, int[] counts, int firstCount) {
        int total = 0;
        for (int r = 0; r < PanamaTile.ROWS; r++) {
            long to = spare + r * PanamaTile.A_ROW;
            int count = 0;
            if (r < rows) {
                a.write(row + r, first, depth, packed, to);
                for (int p = 0; p < depth; p++) {
                    // Twice the bits: both zeros are zero.
                    count += packed.get(PanamaTile.INT, to + 4L * p) << 1 == 0 ? 0 : 1;
                }
            } else {
                packed.asSlice(to, PanamaTile.A_ROW).fill((byte) 0);
            }
            counts[firstCount + r] = count;
            total += count;
        }
        if (total > SPARSE * PanamaTile.ROWS * depth) {
            counts[firstCount] = DENSE;
            MemorySegment.copy(packed, spare, packed, slot, PanamaTile.ROWS * PanamaTile.A_ROW);
            return;
        }
        long at = slot;
        for (int r = 0; r < rows; r++) {
            if (counts[firstCount + r] == 0) {
                continue;
            }
            long from = spare + r * PanamaTile.A_ROW;
            for (int p = 0; p < depth; p++) {
                int bits = packed.get(PanamaTile.INT, from + 4L * p);
                if (bits << 1 != 0) {
                    packed.set(PanamaTile.INT, at, bits);
                    packed.set(PanamaTile.INT, at + 4, p);
                    at += 8;
                }
            }
        }
    }

    private void read(MemorySegment tile, int row, int rows, int padded, int column, int columns) {
        for (int r = 0; r < padded; r++) {
            long to = r * PanamaTile.ROW;
            int known = r < rows ? columns : 0;
            if (known > 0) {
                MemorySegment.copy(c, at(row + r, column), tile, to, 4L * known);
            }
            if (known < PanamaTile.COLUMNS) {
                tile.asSlice(to + 4L * known, 4L * (PanamaTile.COLUMNS - known)).fill((byte) 0);
            }
        }
    }

    private void write(MemorySegment tile, int row, int rows, int column, int columns, int vectors) {
        for (int r = 0; r < rows; r++) {
            PanamaTile.positiveZeros(tile, r * PanamaTile.ROW, vectors);
            MemorySegment.copy(tile, r * PanamaTile.ROW, c, at(row + r, column), 4L * columns);
        }
    }

    private long at(long row, int column) {
        return cAt + 4 * (row * cStride + column);
    }
}
