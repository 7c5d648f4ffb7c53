package dev.kvcapsule.serving.llamacpp.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class QuerySampleTest {
    private static final int HEADS = 4;
    private static final int DIM = 3;

    /** A batch whose numbers tell layer, position, head and channel. */
    private static QueryListener.Batch batch(float[] buffer, int layer, int position, int tokens) {
        for (int i = 0; i < tokens * HEADS * DIM; i++) {
            buffer[i] = number(layer, position + i / (HEADS * DIM), i % (HEADS * DIM));
        }
        return new QueryListener.Batch(buffer, tokens, HEADS, 2, DIM);
    }

    private static float number(int layer, int position, int index) {
        return layer * 1e4f + position * 100 + index;
    }

    @Test
    void keepsOneTokenOfSoManyFromAPositionOn() {
        QuerySample sample = new QuerySample(10, 3);
        assertEquals(10, sample.first());
        // Longer than what is in it, and reused.
        float[] buffer = new float[200];
        for (int[] piece : new int[][] {{0, 9}, {9, 3}, {12, 0}, {12, 8}, {20, 1}}) {
            for (int layer : new int[] {2, 5}) {
                sample.queries(layer, piece[0], batch(buffer, layer, piece[0], piece[1]));
            }
        }
        Arrays.fill(buffer, Float.NaN);
        for (int layer : new int[] {2, 5}) {
            List<QuerySample.Query> queries = sample.of(layer);
            assertEquals(List.of(10, 13, 16, 19), queries.stream().map(QuerySample.Query::position).toList());
            for (QuerySample.Query query : queries) {
                float[] expected = new float[HEADS * DIM];
                for (int i = 0; i < expected.length; i++) {
                    expected[i] = number(layer, query.position(), i);
                }
                assertArrayEquals(expected, query.values());
                assertEquals(2, query.kvHeads());
                assertEquals(DIM, query.headDim());
            }
        }
        assertEquals(List.of(), sample.of(0));
    }

    @Test
    void keepsEveryTokenAndNoneBeforeTheFirst() {
        QuerySample sample = new QuerySample(3, 1);
        sample.queries(0, 0, batch(new float[100], 0, 0, 3));
        assertEquals(List.of(), sample.of(0));
        sample.queries(0, 3, batch(new float[100], 0, 3, 5));
        assertEquals(List.of(3, 4, 5, 6, 7), sample.of(0).stream().map(QuerySample.Query::position).toList());
    }
}
