package dev.kvcapsule.serving.calibration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.serving.llamacpp.runtime.QueryListener;
import dev.kvcapsule.serving.llamacpp.runtime.QuerySample;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Attention against softmax in plain binary64 over made-up keys and queries. */
class PaidAttentionTest {
    private static final int TOKENS = 60;
    private static final int DIM = 8;
    private static final int KV_HEADS = 2;
    private static final int HEADS = 6;

    private final Arena arena = Arena.ofShared();
    private final Random random = new Random(1);

    @AfterEach
    void close() {
        arena.close();
    }

    private static LayerLayout layer(int number, DType type, int window) {
        return new LayerLayout(number, KV_HEADS, DIM, DIM, type, type, Optional.empty(), window);
    }

    /** Keys of a layer by position, such as the type can hold. */
    private float[][] keys() {
        float[][] keys = new float[TOKENS][KV_HEADS * DIM];
        for (float[] row : keys) {
            for (int c = 0; c < row.length; c++) {
                row[c] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
            }
        }
        return keys;
    }

    private float[][] queries() {
        float[][] queries = new float[TOKENS][HEADS * DIM];
        for (float[] row : queries) {
            for (int c = 0; c < row.length; c++) {
                row[c] = (float) random.nextGaussian();
            }
        }
        return queries;
    }

    private MemorySegment tensor(float[][] keys, DType type, int[] positions) {
        MemorySegment tensor = arena.allocate((type == DType.F32 ? 4L : 2L) * positions.length * KV_HEADS * DIM, 64);
        long at = 0;
        for (int position : positions) {
            for (float value : keys[position]) {
                if (type == DType.F32) {
                    tensor.set(ValueLayout.JAVA_FLOAT, 4 * at++, value);
                } else {
                    tensor.set(ValueLayout.JAVA_SHORT, 2 * at++, Float.floatToFloat16(value));
                }
            }
        }
        return tensor;
    }

    private KvCache cache(LayerLayout layer, float[][] keys, int[] positions) {
        SubCache sub = new SubCache("kv", Positions.of(positions), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, List.of(layer));
        KvCache.Builder builder = new KvCache.Builder(new CacheLayout(TOKENS, List.of(sub), List.of(), Map.of()));
        builder.add(0, Part.KEY, tensor(keys, layer.keyType(), positions));
        builder.add(0, Part.VALUE, arena.allocate(layer.rowBytes(Part.VALUE) * positions.length, 64));
        return builder.build();
    }

    private static QuerySample sample(int layer, float[][] queries, int first, int every) {
        QuerySample sample = new QuerySample(first, every);
        for (int position = 0; position < queries.length; position++) {
            sample.queries(layer, position, new QueryListener.Batch(queries[position], 1, HEADS, KV_HEADS, DIM));
        }
        return sample;
    }

    /** The same by its definition: positions before {@code end}, asked about by the sampled tokens from {@code end} on. */
    private static float[] expected(float[][] keys, float[][] queries, int[] positions, int end, List<Integer> asked, int window) {
        double[] sums = new double[end];
        for (int position : asked) {
            for (int head = 0; head < HEADS; head++) {
                double[] weights = new double[TOKENS];
                double total = 0;
                for (int key : positions) {
                    if (key <= position && (window == 0 || position - key < window)) {
                        double score = 0;
                        for (int c = 0; c < DIM; c++) {
                            score += (double) queries[position][head * DIM + c] * keys[key][head / (HEADS / KV_HEADS) * DIM + c];
                        }
                        weights[key] = Math.exp(score);
                        total += weights[key];
                    }
                }
                for (int key = 0; key < end; key++) {
                    sums[key] += weights[key] / total / HEADS / asked.size();
                }
            }
        }
        float[] expected = new float[end];
        for (int key = 0; key < end; key++) {
            expected[key] = (float) sums[key];
        }
        return expected;
    }

    private static TokenAttention paid(KvCache cache, QuerySample sample) {
        return PaidAttention.of(cache, sample, LinearAlgebras.named("java", 1), Kernels.scalar());
    }

    private static int[] range(int from, int to) {
        return IntStream.range(from, to).toArray();
    }

    private static List<Integer> asked(int from, int every) {
        return IntStream.range(0, TOKENS).filter(p -> p >= from && (p - 45) % every == 0).boxed().toList();
    }

    @Test
    void isTheSoftmaxOfScores() {
        assertEquals(45, PaidAttention.firstAsked(TOKENS));
        for (DType type : List.of(DType.F32, DType.F16)) {
            for (int every : new int[] {1, 4}) {
                float[][] keys = keys();
                float[][] queries = queries();
                float[] found = paid(cache(layer(3, type, 0), keys, range(0, TOKENS)), sample(3, queries, 45, every)).of(3);
                assertArrayEquals(expected(keys, queries, range(0, TOKENS), 45, asked(45, every), 0), found, 1e-6f);
            }
        }
    }

    @Test
    void whatIsOutOfTheWindowIsPaidNothing() {
        float[][] keys = keys();
        float[][] queries = queries();
        float[] found = paid(cache(layer(0, DType.F32, 20), keys, range(0, TOKENS)), sample(0, queries, 45, 1)).of(0);
        assertArrayEquals(expected(keys, queries, range(0, TOKENS), 45, asked(45, 1), 20), found, 1e-6f);
        assertEquals(0, found[25]);
        assertTrue(found[26] > 0);
    }

    @Test
    void aWrappedCacheIsAskedAboutWhatItStillHas() {
        float[][] keys = keys();
        float[][] queries = queries();
        // The last 24 tokens, from cell 10 on; the first quarter from the end is asked about those before.
        int[] positions = IntStream.concat(IntStream.range(50, TOKENS), IntStream.range(36, 50)).toArray();
        float[] found = paid(cache(layer(0, DType.F16, 20), keys, positions), sample(0, queries, 45, 3)).of(0);
        assertEquals(54, found.length);
        assertArrayEquals(expected(keys, queries, range(36, TOKENS), 54, asked(54, 3), 20), found, 1e-6f);
        assertEquals(0, found[35]);
    }

    @Test
    void nothingIsKnownWithoutQueriesThatFit() {
        float[][] queries = queries();
        KvCache cache = cache(layer(1, DType.F32, 0), keys(), range(0, TOKENS));
        assertEquals(0, paid(cache, sample(0, queries, 45, 1)).of(1).length);
        assertEquals(0, paid(cache, new QuerySample(45, 1)).of(1).length);
        QuerySample other = new QuerySample(45, 1);
        other.queries(1, 45, new QueryListener.Batch(queries[0], 1, 4, 4, DIM));
        assertEquals(0, paid(cache, other).of(1).length);
        assertEquals(0, paid(cache(layer(1, DType.F32, 0), keys(), new int[0]), sample(1, queries, 45, 1)).of(1).length);
        assertEquals(0, paid(cache, sample(1, queries, 45, 1)).of(7).length);
    }
}
