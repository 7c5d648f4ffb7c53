package dev.kvcapsule.serving.llamacpp.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.engine.cache.Rope;
import dev.kvcapsule.serving.ModelFacts;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Second moments and their averages against the definitions, summed term by term. */
class MomentsTest {
    private final SplittableRandom random = new SplittableRandom(3);

    private double[] vector(int dim) {
        double[] vector = new double[dim];
        for (int i = 0; i < dim; i++) {
            vector[i] = random.nextGaussian();
        }
        return vector;
    }

    private static double[] turned(Rope rope, double[] vector, double position) {
        double[] turned = vector.clone();
        double[] frequencies = rope.frequencies();
        for (int i = 0; i < frequencies.length; i++) {
            int a = rope.pairing() == Rope.Pairing.INTERLEAVED ? 2 * i : i;
            int b = rope.pairing() == Rope.Pairing.INTERLEAVED ? 2 * i + 1 : i + frequencies.length;
            double cos = Math.cos(position * frequencies[i]);
            double sin = Math.sin(position * frequencies[i]);
            turned[a] = vector[a] * cos - vector[b] * sin;
            turned[b] = vector[a] * sin + vector[b] * cos;
        }
        return turned;
    }

    private static void add(double[] matrix, double[] vector, double weight) {
        for (int i = 0; i < vector.length; i++) {
            for (int j = 0; j < vector.length; j++) {
                matrix[i * vector.length + j] += weight * vector[i] * vector[j];
            }
        }
    }

    @Test
    void sumsOuterProducts() {
        for (int count : new int[] {0, 1, 3, 4, 9}) {
            SecondMoment moment = new SecondMoment(7);
            double[] expected = new double[49];
            for (int v = 0; v < count; v++) {
                double[] vector = vector(7);
                System.arraycopy(vector, 0, moment.next(), 0, 7);
                moment.advance();
                add(expected, vector, 1);
                // Reading in between changes nothing.
                if (v == 1) {
                    moment.matrix();
                }
            }
            assertArrayEquals(expected, moment.matrix(), 1e-12);
        }
    }

    @ParameterizedTest
    @CsvSource({"INTERLEAVED,8,8,1", "INTERLEAVED,6,9,40", "HALF_SPLIT,8,8,4400", "HALF_SPLIT,4,7,513"})
    void averagesOverDistances(Rope.Pairing pairing, int turnedDims, int dim, int distances) {
        Rope rope = Rope.of(pairing, 500, turnedDims);
        double[] closed = new double[dim * dim];
        double[] summed = new double[dim * dim];
        for (int v = 0; v < 3; v++) {
            double[] vector = vector(dim);
            add(closed, vector, 1);
            for (int distance = 1; distance <= distances; distance++) {
                add(summed, turned(rope, vector, distance), 1.0 / distances);
            }
        }
        new RelativeRotation(rope, distances).average(closed, dim);
        assertArrayEquals(summed, closed, 1e-11);
    }

    @Test
    void turnsQueriesBackAndSumsAGroup() {
        Rope global = Rope.of(Rope.Pairing.HALF_SPLIT, 10_000, 4);
        ModelFacts facts = new ModelFacts(List.of(
                new ModelFacts.Layer(2, 6, 6, Optional.of(global), 0, true),
                new ModelFacts.Layer(2, 6, 6, Optional.of(global), 5, true),
                new ModelFacts.Layer(2, 6, 6, Optional.empty(), 0, true),
                new ModelFacts.Layer(0, 0, 0, Optional.empty(), 0, false)), Optional.empty(), Optional.empty(), ModelFacts.Memory.DENSE, 0, Map.of());
        QueryCapture capture = new QueryCapture(facts);
        double[][][] expected = new double[3][2][36];
        int distances = 20;
        int tokens = 0;
        for (int[] batch : new int[][] {{0, 3}, {3, 1}, {4, 2}}) {
            for (int layer = 0; layer < 3; layer++) {
                float[] values = new float[batch[1] * 4 * 6];
                for (int t = 0; t < batch[1]; t++) {
                    for (int head = 0; head < 4; head++) {
                        double[] before = vector(6);
                        double[] seen = layer == 2 ? before : turned(global, before, batch[0] + t);
                        for (int c = 0; c < 6; c++) {
                            values[(t * 4 + head) * 6 + c] = (float) seen[c];
                        }
                        int reach = layer == 0 ? distances : 5;
                        for (int distance = 1; layer < 2 && distance <= reach; distance++) {
                            add(expected[layer][head / 2], turned(global, before, distance), 1.0 / (6 * reach));
                        }
                        if (layer == 2) {
                            add(expected[layer][head / 2], before, 1.0 / 6);
                        }
                    }
                }
                capture.queries(layer, batch[0], new QueryListener.Batch(values, batch[1], 4, 2, 6));
            }
            tokens += batch[1];
            assertEquals(tokens, capture.tokens());
        }
        QueryMoments moments = capture.moments(distances);
        assertEquals(6, moments.tokens());
        assertEquals(0, moments.moments()[3].length);
        for (int layer = 0; layer < 3; layer++) {
            for (int head = 0; head < 2; head++) {
                assertArrayEquals(expected[layer][head], moments.moments()[layer][head], 1e-5);
            }
        }
    }

    @Test
    void addsUpByTokens() {
        QueryMoments one = new QueryMoments(new double[][][] {{{1, 2, 2, 5}}, {}}, 10);
        QueryMoments two = new QueryMoments(new double[][][] {{{5, 6, 6, 1}}, {}}, 30);
        assertArrayEquals(new double[] {4, 5, 5, 2}, one.and(two).moments()[0][0], 1e-12);
        assertEquals(40, one.and(two).tokens());
        QueryMoments other = new QueryMoments(new double[][][] {{{1}}, {}}, 1);
        assertThrows(IllegalArgumentException.class, () -> one.and(other));
        assertThrows(IllegalArgumentException.class, () -> new QueryMoments(new double[0][][], 0));
        ModelFacts none = new ModelFacts(List.of(), Optional.empty(), Optional.empty(), ModelFacts.Memory.DENSE, 0, Map.of());
        assertThrows(IllegalStateException.class, () -> new QueryCapture(none).moments(1));
    }
}
