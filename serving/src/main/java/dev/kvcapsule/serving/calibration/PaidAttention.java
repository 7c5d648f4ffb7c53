package dev.kvcapsule.serving.calibration;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import dev.kvcapsule.engine.codec.TileTensor;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.kernel.RowFloats;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.memory.Scratch;
import dev.kvcapsule.engine.pipeline.TileInput;
import dev.kvcapsule.serving.llamacpp.runtime.QuerySample;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** How much attention the tokens of a cache were paid by the last ones: softmax of queries times keys, head by head, as the model computes it. */
final class PaidAttention {
    /** Where a sub-cache only has the last tokens, those in this last share of them are asked about the others. */
    private static final double ASKED = 0.25;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    private final KvCache cache;
    private final QuerySample sample;
    private final LinearAlgebra algebra;
    private final Kernels kernels;

    private PaidAttention(KvCache cache, QuerySample sample, LinearAlgebra algebra, Kernels kernels) {
        this.cache = cache;
        this.sample = sample;
        this.algebra = algebra;
        this.kernels = kernels;
    }

    /** First position whose token is asked what it attends to, in a context of so many tokens. */
    static int firstAsked(int tokens) {
        return tokens - (int) (ASKED * tokens);
    }

    /** @param sample queries of the context that made the cache */
    static TokenAttention of(KvCache cache, QuerySample sample, LinearAlgebra algebra, Kernels kernels) {
        PaidAttention paid = new PaidAttention(cache, sample, algebra, kernels);
        int layers = cache.layout().subCaches().stream().flatMap(sub -> sub.layers().stream()).mapToInt(LayerLayout::layer).max().orElse(-1) + 1;
        float[][] byLayer = new float[layers][0];
        for (int s = 0; s < cache.layout().subCaches().size(); s++) {
            SubCache sub = cache.layout().subCaches().get(s);
            for (int l = 0; l < sub.layers().size(); l++) {
                byLayer[sub.layers().get(l).layer()] = paid.layer(s, sub, l);
            }
        }
        return new TokenAttention(byLayer);
    }

    private float[] layer(int subCache, SubCache sub, int index) {
        LayerLayout layer = sub.layers().get(index);
        int cells = sub.cells();
        try (Scratch scratch = new Scratch(); Arena arena = Arena.ofConfined()) {
            if (cells == 0) {
                return new float[0];
            }
            TileTensor keys = new TileInput(cache).read(new Tile(subCache, 2 * index, 1, 0, cells, Region.BODY, false), scratch).getFirst();
            int[] positions = keys.positions();
            int end = Math.max(sample.first(), positions[0] + firstAsked(positions[cells - 1] + 1 - positions[0]));
            List<QuerySample.Query> queries = sample.of(layer.layer()).stream().filter(query -> query.position() >= end).toList();
            if (queries.isEmpty() || queries.getFirst().kvHeads() != layer.kvHeads() || queries.getFirst().headDim() != layer.keyHeadDim()) {
                return new float[0];
            }
            MemorySegment rows = arena.allocate(4 * keys.elements(), 64);
            RowFloats.toF32(kernels, keys.type(), keys.rows(), keys.elements(), rows);
            MemorySegment scores = arena.allocate(4L * queries.size() * cells, 64);
            double[] sums = new double[end];
            int heads = queries.getFirst().values().length / layer.keyHeadDim();
            for (int head = 0; head < heads; head++) {
                add(queries, head, head / (heads / layer.kvHeads()), rows, positions, layer, scores, sums);
            }
            float[] attention = new float[end];
            for (int p = 0; p < end; p++) {
                attention[p] = (float) (sums[p] / heads / queries.size());
            }
            return attention;
        }
    }

    private void add(List<QuerySample.Query> queries, int head, int kvHead, MemorySegment keys, int[] positions, LayerLayout layer, MemorySegment scores,
            double[] sums) {
        int dim = layer.keyHeadDim();
        int cells = positions.length;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment asked = arena.allocate(4L * queries.size() * dim, 64);
            for (int q = 0; q < queries.size(); q++) {
                MemorySegment.copy(queries.get(q).values(), head * dim, asked, FLOAT, 4L * q * dim, dim);
            }
            algebra.gemm(false, true, queries.size(), cells, dim, 1, asked, dim, keys.asSlice(4L * kvHead * dim), layer.width(Part.KEY), 0, scores, cells);
            float[] row = new float[cells];
            for (int q = 0; q < queries.size(); q++) {
                MemorySegment.copy(scores, FLOAT, 4L * q * cells, row, 0, cells);
                softmax(row, positions, queries.get(q).position(), layer.window(), sums);
            }
        }
    }

    /** Adds what a row of scores becomes to the sums of those positions that are asked about. */
    private static void softmax(float[] row, int[] positions, int position, int window, double[] sums) {
        float largest = Float.NEGATIVE_INFINITY;
        int last = 0;
        int first = 0;
        for (int t = 0; t < row.length && positions[t] <= position; t++) {
            if (window > 0 && position - positions[t] >= window) {
                first = t + 1;
            } else {
                largest = Math.max(largest, row[t]);
            }
            last = t + 1;
        }
        double total = 0;
        for (int t = first; t < last; t++) {
            row[t] = (float) Math.exp(row[t] - largest);
            total += row[t];
        }
        for (int t = first; t < last && positions[t] < sums.length; t++) {
            sums[positions[t]] += row[t] / total;
        }
    }
}
