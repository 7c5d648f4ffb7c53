package dev.kvcapsule.engine.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** The state of one call of the vector encoder: scratch for a few rows, and the passes over it. */
final class RotatedEncoder {
    /** Values of a block of rows, about: its scratch fits the first-level cache. */
    private static final int BLOCK = 3072;

    private final RotationShape shape;
    private final MemorySegment rows;
    private final long rowsOffset;
    private final MemorySegment codes;
    private final long codesOffset;
    private final MemorySegment gains;
    private final long gainsOffset;
    private final int units;
    private final int width;
    private final int codeRow;
    private final int block;
    private final RotationTables tables;
    private final short[] thresholds;
    /** Null where the search goes bit by bit. */
    private final CodeBuckets buckets;
    private final short[] centroids;
    private final float[] signs;
    private final float[] mean;
    private final boolean wholeSums;
    private final float[] x;
    private final short[] y;
    private final int[] chunkHeads;
    private final short[] code;
    private final short[] chosen;
    private final float[] roots;
    private final float[] energies;
    private final float[] scales;
    private final int[] products;
    private final int[] squares;
    private final long[] longProducts;
    private final long[] longSquares;
    private final float[] slopes;
    /** The largest finite gain. */
    private final float most;
    private int token;
    private int count;
    private long refused;

    RotatedEncoder(RotationShape shape, MemorySegment rows, long rowsOffset, MemorySegment means, long meansOffset, MemorySegment codes,
            long codesOffset, MemorySegment gains, long gainsOffset) {
        this.shape = shape;
        this.rows = rows;
        this.rowsOffset = rowsOffset;
        this.codes = codes;
        this.codesOffset = codesOffset;
        this.gains = gains;
        this.gainsOffset = gainsOffset;
        int channels = shape.channels();
        units = CodeUnits.unitsPerRow(channels);
        width = units * CodeUnits.CODES;
        codeRow = CodeUnits.rowBytes(shape.bits(), channels);
        block = Math.max(1, Math.min(BLOCK / width, shape.tokens()));
        tables = new RotationTables(shape.bits(), shape.headDim());
        buckets = CodeBuckets.of(tables.thresholds);
        thresholds = CodeLanes.thresholds(tables.thresholds);
        centroids = CodeLanes.table(tables.centroids);
        signs = PanamaHadamard.floats(RotationTables.signs(shape.seed(), channels, width));
        mean = new float[width];
        if (shape.centered()) {
            RowStage.load(shape.parameter(), means, meansOffset, mean, 0, channels);
        }
        int dim = shape.headDim();
        wholeSums = dim >= 64 && Integer.bitCount(dim) == 1 && tables.sumsFit(dim);
        x = new float[block * width];
        y = new short[x.length];
        chunkHeads = PanamaHadamard.chunkHeads(x.length, shape.headDim());
        code = new short[x.length];
        int heads = (block * shape.heads() + 15) / 16 * 16; // whole vectors
        chosen = new short[x.length];
        roots = new float[heads];
        energies = new float[LaneSum.capacity(heads, RotationTables.PARTIALS)];
        scales = new float[heads];
        products = new int[wholeSums ? LaneSum.capacity(heads, dim / 64 * VectorWidth.INT.length()) : 0];
        squares = new int[products.length];
        longProducts = new long[wholeSums ? 0 : heads];
        longSquares = new long[longProducts.length];
        slopes = new float[heads];
        most = FloatBits.largest16(shape.parameter());
    }

    /** {@return heads that were refused} */
    long run() {
        Passes passes = new Passes(this::load, this::energies, this::scale, this::transform, this::search, this::sums, this::gains,
                this::pack);
        for (token = 0; token < shape.tokens(); token += block) {
            count = Math.min(block, shape.tokens() - token);
            passes.run();
        }
        return refused;
    }

    private void load() {
        int channels = shape.channels();
        RowStore.load(shape.rows(), rows, rowsOffset + (long) token * channels * shape.rows().bytes(), channels, x, width, count);
        if (shape.centered()) {
            PanamaHadamard.subtract(x, mean, count * width);
        }
    }

    private void energies() {
        PanamaHadamard.energies(x, width, count, shape.heads(), shape.headDim(), energies);
        PanamaHadamard.scales(energies, count * shape.heads(), shape.headDim(), tables.unit, RotationTables.energyLimit(shape.parameter()),
                roots, scales);
    }

    private void scale() {
        if (chunkHeads.length > 0) {
            PanamaHadamard.scaleChunks(x, count * width, signs, scales, chunkHeads, y);
            return;
        }
        for (int t = 0; t < count; t++) {
            PanamaHadamard.scale(x, t * width, signs, scales, t * shape.heads(), shape.heads(), shape.headDim(), y);
        }
    }

    private void transform() {
        WalshHadamard.transform(y, count * width, tables.block);
    }

    private void search() {
        if (buckets != null) {
            buckets.search(centroids, y, code, chosen, count * width);
        } else {
            CodeLanes.search(shape.bits(), thresholds, centroids, y, code, chosen, count * width);
        }
    }

    private void sums() {
        int heads = shape.heads();
        if (wholeSums) {
            PanamaHadamard.sums(y, chosen, count * width, shape.headDim(), products, squares);
            PanamaHadamard.slopes(roots, products, squares, count * heads, tables.gainScale, most, slopes);
        } else {
            PanamaHadamard.slowSums(y, chosen, width, count, heads, shape.headDim(), longProducts, longSquares);
            PanamaHadamard.gains(roots, longProducts, longSquares, count * heads, tables, most, slopes);
        }
    }

    private void gains() {
        int heads = shape.heads();
        for (int h = 0; h < count * heads; h++) {
            if (scales[h] == 0) {
                refuse(h);
            }
        }
        RowStage.store(shape.parameter(), slopes, 0, gains, gainsOffset + 2L * token * heads, count * heads);
    }

    private void refuse(int head) {
        int from = head / shape.heads() * width + head % shape.heads() * shape.headDim();
        refused += energies[head] == 0 ? 0 : 1;
        Arrays.fill(code, from, from + shape.headDim(), (short) (1 << (shape.bits() - 1)));
        slopes[head] = 0;
    }

    private void pack() {
        for (int t = 0; width != shape.channels() && t < count; t++) {
            Arrays.fill(code, t * width + shape.channels(), (t + 1) * width, (short) 0);
        }
        CodeLanes.pack(shape.bits(), code, count * units, codes, codesOffset + (long) token * codeRow);
    }
}
