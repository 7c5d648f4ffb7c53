package dev.kvcapsule.codecs.klt;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.codecs.capsule.TestCaches;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.DType;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.cache.TensorOrder;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TokenScalesTest {
    private static final int TOKENS = 3000;

    private static CacheLayout layout() {
        return TestCaches.layout(TOKENS, TestCaches.dense(TOKENS, TestCaches.layers(1, 1, 16, 16, DType.F16)));
    }

    private static Tile tile(Region region) {
        return new Tile(0, 0, 2, 0, TOKENS, region, false);
    }

    private static double octaves(byte symbol) {
        return (symbol - TokenScale.UNIT) / (double) TokenScale.OCTAVE;
    }

    @Test
    void withoutSensitivityTheWindowIsFiner() {
        TokenScales scales = TokenScales.of(layout());
        int[] positions = IntStream.range(0, TOKENS).toArray();
        for (byte symbol : scales.symbols(tile(Region.BODY), TokenSensitivity.UNKNOWN, positions, new float[0], 1)) {
            assertEquals(1, TokenScale.factor(symbol));
        }
        for (byte symbol : scales.symbols(tile(Region.WINDOW), TokenSensitivity.UNKNOWN, positions, new float[0], 1)) {
            assertEquals(0.5, TokenScale.factor(symbol));
        }
    }

    @Test
    void scalesHaveGeometricMeanOneOverTheCache() {
        Random random = new Random(1);
        float[] norms = new float[2 * TOKENS];
        double mean = 0;
        float[] weights = {-0.8f, 0.9f, -0.5f, 0};
        for (int t = 0; t < norms.length; t++) {
            norms[t] = (float) random.nextGaussian() + 2;
            mean += weights[1 + t % 2] * norms[t] / TOKENS;
        }
        // As calibration has it: over its tokens, the norms' part has mean 0.
        weights[3] = (float) -mean;
        byte[] symbols = TokenScales.of(layout()).symbols(tile(Region.BODY), new TokenSensitivity(weights), IntStream.range(0, TOKENS).toArray(), norms, 1);
        double sum = 0;
        for (byte symbol : symbols) {
            sum += octaves(symbol);
        }
        assertEquals(0, sum / TOKENS, 0.03);
    }

    @Test
    void tokensThatWillBePaidMoreAttentionAreFiner() {
        TokenSensitivity sensitivity = new TokenSensitivity(new float[] {-1, 1.5f, 0});
        TokenScales scales = TokenScales.of(layout());
        // Of one age, by rising norm.
        float[] norms = new float[TOKENS];
        for (int t = 0; t < TOKENS; t++) {
            norms[t] = t * 6f / TOKENS - 3;
        }
        int[] same = new int[TOKENS];
        falls(scales.symbols(tile(Region.BODY), sensitivity, same, norms, 1));
        // Of one norm, from the oldest to the youngest.
        falls(scales.symbols(tile(Region.BODY), sensitivity, IntStream.range(0, TOKENS).toArray(), new float[TOKENS], 1));
        // Regions do not matter where tokens are known.
        assertArrayEquals(scales.symbols(tile(Region.BODY), sensitivity, same, norms, 1), scales.symbols(tile(Region.WINDOW), sensitivity, same, norms, 1));
    }

    @Test
    void agesCountForMoreWhereStepsAreCoarse() {
        TokenSensitivity sensitivity = new TokenSensitivity(new float[] {-3, 0, 0});
        int[] positions = IntStream.range(0, TOKENS).toArray();
        double[] steps = {0.1, 2, 2.4, 2.8, 10};
        double[] spreads = new double[steps.length];
        for (int i = 0; i < steps.length; i++) {
            byte[] symbols = TokenScales.of(layout()).symbols(tile(Region.BODY), sensitivity, positions, new float[TOKENS], steps[i]);
            falls(symbols);
            spreads[i] = octaves(symbols[0]) - octaves(symbols[TOKENS - 1]);
        }
        double symbol = 1.0 / TokenScale.OCTAVE;
        double all = 3 * 0.4 / Math.log(2) * Math.log((TOKENS + 64) / 65.0);
        assertEquals(all, spreads[4], symbol);
        assertEquals(spreads[4], spreads[3]);
        assertEquals(all / 2, spreads[1], symbol);
        assertEquals(spreads[1], spreads[0]);
        assertTrue(spreads[1] < spreads[2] && spreads[2] < spreads[3], () -> Arrays.toString(spreads));
    }

    private static void falls(byte[] symbols) {
        for (int t = 1; t < symbols.length; t++) {
            assertTrue(symbols[t] <= symbols[t - 1], "token " + t);
        }
        assertTrue(symbols[symbols.length - 1] < symbols[0]);
    }

    @Test
    void agesAreMeasuredWithinEachCache() {
        SubCache wrapped = new SubCache("swa", Positions.of(new int[] {10, 11, 7, 8, 9}), TensorOrder.TOKEN_MAJOR, TensorOrder.TOKEN_MAJOR, TestCaches.layers(1, 1, 16, 16, DType.F16));
        SubCache empty = TestCaches.dense(0, TestCaches.layers(1, 1, 16, 16, DType.F16));
        List<TokenScales.Context> contexts = TokenScales.of(new CacheLayout(12, List.of(wrapped, empty), List.of(), Map.of())).contexts();
        assertEquals(12, contexts.getFirst().end());
        assertEquals(IntStream.rangeClosed(1, 5).mapToDouble(age -> Math.log(age + 64)).average().orElseThrow(), contexts.getFirst().meanAge(), 1e-12);
        assertEquals(new TokenScales.Context(0, 0), contexts.getLast());
    }
}
