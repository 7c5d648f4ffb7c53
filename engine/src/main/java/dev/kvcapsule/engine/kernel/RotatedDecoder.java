package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;

/** The state of one call of the vector decoder: scratch for a few rows, and the passes over it. */
final class RotatedDecoder {
    /** Values of a block of rows, about: few, so that the stores of one block drain while the next is computed. */
    private static final int BLOCK = 1536;

    private final RotationShape shape;
    private final MemorySegment codes;
    private final long codesOffset;
    private final MemorySegment gains;
    private final long gainsOffset;
    private final MemorySegment rows;
    private final long rowsOffset;
    private final int units;
    private final int width;
    private final int codeRow;
    private final int block;
    private final RotationTables tables;
    private final short[] centroids;
    /** From codes to values in one loop. */
    private final boolean fused;
    private final short[] signs;
    private final float[] mean;
    private final short[] v;
    private final int[] chunkHeads;
    private final float[] x;
    private final float[] factors;
    /** Straight to the rows, two heads at a time; null where that is not possible. */
    private final RotatedPairRun pairs;
    private int token;
    private int count;

    RotatedDecoder(RotationShape shape, MemorySegment codes, long codesOffset, MemorySegment gains, long gainsOffset, MemorySegment means,
            long meansOffset, MemorySegment rows, long rowsOffset) {
        this.shape = shape;
        this.codes = codes;
        this.codesOffset = codesOffset;
        this.gains = gains;
        this.gainsOffset = gainsOffset;
        this.rows = rows;
        this.rowsOffset = rowsOffset;
        int channels = shape.channels();
        units = CodeUnits.unitsPerRow(channels);
        width = units * CodeUnits.CODES;
        codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        block = Math.max(1, Math.min(BLOCK / width, shape.tokens()));
        tables = new RotationTables(shape.bits(), shape.headDim());
        centroids = CodeLanes.table(tables.centroids);
        fused = shape.headDim() == 64 && RotatedRows.fits(shape.bits(), tables.block);
        short[] natural = RotationTables.signs(shape.seed(), channels, width);
        signs = fused ? RotatedRows.signs(natural) : natural;
        mean = new float[width];
        if (shape.centered()) {
            RowStage.load(shape.parameter(), means, meansOffset, mean, 0, channels);
        }
        v = new short[block * width];
        x = new float[v.length];
        chunkHeads = PanamaHadamard.chunkHeads(v.length, shape.headDim());
        factors = new float[block * shape.heads()];
        boolean paired = fused && shape.rows() == ElementType.F16 && shape.parameter() == ElementType.F16 && NativeMemory.plain(codes)
                && NativeMemory.plain(rows);
        pairs = paired ? new RotatedPairRun(shape, tables, codes, codesOffset, gains, gainsOffset, mean, rows, rowsOffset) : null;
    }

    void run() {
        Passes passes = fused ? new Passes(this::decode, this::store) : new Passes(this::centroids, this::transform, this::spread, this::store);
        for (token = pairs == null ? 0 : pairs.run(); token < shape.tokens(); token += block) {
            count = Math.min(block, shape.tokens() - token);
            passes.run();
        }
    }

    private void decode() {
        RowStage.load(shape.parameter(), gains, gainsOffset + 2L * token * shape.heads(), factors, 0, count * shape.heads());
        RotatedRows.decode(shape.bits(), centroids, codes, codesOffset + (long) token * codeRow, count * units, signs, factors,
                tables.decodeScale, x);
        if (shape.centered()) {
            PanamaHadamard.add(x, mean, count * width);
        }
    }

    private void centroids() {
        CodeLanes.centroids(shape.bits(), centroids, codes, codesOffset + (long) token * codeRow, count * units, v);
    }

    private void transform() {
        WalshHadamard.transform(v, count * width, tables.block);
    }

    private void spread() {
        int heads = shape.heads();
        RowStage.load(shape.parameter(), gains, gainsOffset + 2L * token * heads, factors, 0, count * heads);
        if (chunkHeads.length > 0) {
            PanamaHadamard.spreadChunks(v, count * width, signs, factors, tables.decodeScale, chunkHeads, x);
        }
        for (int t = 0; chunkHeads.length == 0 && t < count; t++) {
            PanamaHadamard.spread(v, t * width, signs, factors, t * heads, tables.decodeScale, heads, shape.headDim(), x);
        }
        if (shape.centered()) {
            PanamaHadamard.add(x, mean, count * width);
        }
    }

    private void store() {
        int channels = shape.channels();
        RowStore.store(shape.rows(), x, width, count, rows, rowsOffset + (long) token * channels * shape.rows().bytes(), channels);
    }
}
