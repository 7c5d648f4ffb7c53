package dev.kvcapsule.codecs.klt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.capsule.TestCaches;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.calibration.TokenAttention;
import dev.kvcapsule.engine.kernel.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SensitivityRegressionTest {
    private static final int TOKENS = 4000;
    private static final int DIM = 8;

    /** ln attention = AGE ln(age + 64) + sum of NORMS[h] ln |head h| + a constant. */
    private static final double AGE = -0.7;
    private static final double[] NORMS = {0.9, -0.4, 0, 0.3};

    private static LayerGroup group() {
        List<LayerLayout> layers = TestCaches.layers(1, 2, DIM, DIM, DType.F16);
        return LayerGroup.of(0, TestCaches.dense(TOKENS, layers), 1).getFirst();
    }

    /** Rows of random norms, and the attention that the law gives them. */
    private static final class Made {
        final MemorySegment rows;
        final float[] attention = new float[TOKENS];

        Made(Arena arena, long seed) {
            Random random = new Random(seed);
            rows = arena.allocate(4L * TOKENS * 4 * DIM, 64);
            for (int t = 0; t < TOKENS; t++) {
                double log = AGE * Math.log(TOKENS - t + 64);
                for (int h = 0; h < 4; h++) {
                    double norm = Math.exp(0.8 * random.nextGaussian());
                    int only = random.nextInt(DIM);
                    rows.set(Transform.FLOAT, 4L * ((t * 4L + h) * DIM + only), (float) norm);
                    log += NORMS[h] * Math.log(norm);
                }
                attention[t] = (float) Math.exp(log);
            }
        }
    }

    private static int[] positions(int count) {
        return IntStream.range(0, count).toArray();
    }

    @Test
    void aKnownLawIsFound() {
        try (Arena arena = Arena.ofConfined()) {
            Made made = new Made(arena, 1);
            SensitivityRegression regression = new SensitivityRegression(group());
            regression.add(made.rows, positions(TOKENS), new TokenAttention(new float[][] {made.attention}));
            assertEquals(TOKENS, regression.tokens());
            TokenSensitivity found = regression.solve();
            assertTrue(found.isKnown());
            assertEquals(TokenSensitivity.OTHERS + 4, found.weights().length);
            // Weights are held back a little, by the ridge of 0.02.
            assertEquals(AGE, found.weights()[0], 0.03);
            for (int h = 0; h < 4; h++) {
                assertEquals(NORMS[h], found.weights()[1 + h], 0.03, "head " + h);
            }
            // Over the tokens, the norms' part has mean 0.
            double mean = 0;
            float[] norms = new HeadNorms().of(Kernels.scalar(), made.rows, TOKENS, new int[] {DIM, DIM, DIM, DIM});
            for (int t = 0; t < TOKENS; t++) {
                mean += found.predict(0, norms, 4 * t) / TOKENS;
            }
            assertEquals(0, mean, 1e-5);
        }
    }

    @Test
    void tokensWithoutKnownAttentionAreLeftOut() {
        try (Arena arena = Arena.ofConfined()) {
            Made made = new Made(arena, 2);
            SensitivityRegression regression = new SensitivityRegression(group());
            regression.add(made.rows, positions(TOKENS), TokenAttention.NONE);
            regression.add(made.rows, positions(TOKENS), new TokenAttention(new float[][] {{}, made.attention}));
            assertEquals(0, regression.tokens());
            assertFalse(regression.solve().isKnown());
            // Of a longer context, those that the attention is of.
            regression.add(made.rows, positions(TOKENS), new TokenAttention(new float[][] {Arrays.copyOf(made.attention, 100)}));
            assertEquals(100, regression.tokens());
        }
    }

    @Test
    void fewTokensTellNothing() {
        try (Arena arena = Arena.ofConfined()) {
            Made made = new Made(arena, 3);
            TokenAttention attention = new TokenAttention(new float[][] {made.attention});
            // Age and four heads are five features.
            for (int tokens = 0; tokens <= 6; tokens++) {
                SensitivityRegression regression = new SensitivityRegression(group());
                regression.add(made.rows, positions(tokens), attention);
                assertEquals(tokens > 5, regression.solve().isKnown(), tokens + " tokens");
            }
        }
    }

    @Test
    void theAttentionOfAGroupIsTheMeanOfItsLayers() {
        try (Arena arena = Arena.ofConfined()) {
            Made made = new Made(arena, 4);
            List<LayerLayout> layers = List.of(TestCaches.layer(0, 1, DIM, DIM, DType.F16, DType.F16), TestCaches.layer(3, 1, DIM, DIM, DType.F16, DType.F16));
            LayerGroup group = LayerGroup.of(0, TestCaches.dense(TOKENS, layers), 2).getFirst();
            float[] more = new float[TOKENS];
            float[] less = new float[TOKENS];
            for (int t = 0; t < TOKENS; t++) {
                more[t] = 1.5f * made.attention[t];
                less[t] = 0.5f * made.attention[t];
            }
            SensitivityRegression one = new SensitivityRegression(group);
            one.add(made.rows, positions(TOKENS), new TokenAttention(new float[][] {more, {}, {}, less}));
            SensitivityRegression other = new SensitivityRegression(group);
            other.add(made.rows, positions(TOKENS), new TokenAttention(new float[][] {made.attention, {}, {}, made.attention}));
            assertArrayEquals(other.solve().weights(), one.solve().weights(), 1e-5f);
            // Nothing is learnt unless all layers' attention is known.
            one.add(made.rows, positions(TOKENS), new TokenAttention(new float[][] {more}));
            assertEquals(TOKENS, one.tokens());
        }
    }

    @Test
    void sumsAddUp() {
        try (Arena arena = Arena.ofConfined()) {
            Made one = new Made(arena, 5);
            Made two = new Made(arena, 6);
            SensitivityRegression all = new SensitivityRegression(group());
            SensitivityRegression merged = new SensitivityRegression(group());
            for (Made made : List.of(one, two)) {
                SensitivityRegression part = new SensitivityRegression(group());
                TokenAttention attention = new TokenAttention(new float[][] {made.attention});
                all.add(made.rows, positions(TOKENS), attention);
                part.add(made.rows, positions(TOKENS), attention);
                assertEquals(SensitivityRegression.sums(4), part.sums().length);
                merged.add(part.sums(), part.tokens());
            }
            assertEquals(all.tokens(), merged.tokens());
            assertArrayEquals(all.sums(), merged.sums(), 1e-6);
            assertArrayEquals(all.solve().weights(), merged.solve().weights(), 1e-6f);
            // Those of no tokens.
            double[] odd = new double[(int) SensitivityRegression.sums(4)];
            odd[0] = Double.MAX_VALUE;
            odd[odd.length - 1] = Double.MAX_VALUE;
            odd[odd.length - 11] = Double.MAX_VALUE;
            merged.add(odd, 3);
            assertThrows(ArithmeticException.class, merged::solve);
        }
    }
}
