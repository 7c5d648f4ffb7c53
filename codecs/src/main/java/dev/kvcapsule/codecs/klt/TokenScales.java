package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.Positions;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.Region;
import dev.kvcapsule.engine.codec.Tile;
import java.util.Arrays;
import java.util.List;

/**
 * How fine each token of a cache is to be coded: tokens that will be paid more attention get a smaller step. Errors of different tokens add up by the squares of
 * the attention they are paid, so that theory wants steps in inverse proportion to it; a power of it was measured to do best at the rates of interest.
 *
 * @param contexts of each sub-cache
 */
record TokenScales(List<Context> contexts) {
    /** Power of the attention that steps are in inverse proportion to: measured, docs/fidelity.md. */
    private static final double STRENGTH = 0.4;

    /**
     * What the age counts for of what it predicts, up to a step of {@value #FINE}: old tokens are seldom read on, but a task may ask for any of them again. Measured,
     * docs/fidelity.md: going on gains by it, recall loses. From a step of {@value #COARSE} on, where little can be recalled anyway, it counts for all.
     */
    private static final double AGE_SHARE = 0.5;

    private static final double FINE = 2;
    private static final double COARSE = 2.8;

    /** Where nothing is known of tokens, the last ones, which the next ones attend to most, are worth half the step. */
    private static final byte WINDOW = TokenScale.UNIT - TokenScale.OCTAVE;

    /**
     * What ages are measured by.
     *
     * @param end the position after the last
     * @param meanAge mean of {@link TokenSensitivity#age} over the tokens
     */
    record Context(int end, double meanAge) {
        static Context of(SubCache sub) {
            Positions positions = sub.positions();
            int end = 0;
            for (int cell = 0; cell < sub.cells(); cell++) {
                end = Math.max(end, positions.get(cell) + 1);
            }
            double sum = 0;
            for (int cell = 0; cell < sub.cells(); cell++) {
                sum += TokenSensitivity.age(end - positions.get(cell));
            }
            return new Context(end, sum / Math.max(1, sub.cells()));
        }
    }

    static TokenScales of(CacheLayout layout) {
        return new TokenScales(layout.subCaches().stream().map(Context::of).toList());
    }

    /**
     * The symbols of a tile's tokens, {@link TokenScale}: of geometric mean 1 over the usual cache.
     *
     * @param positions of the tokens
     * @param norms of their head rows, as {@link HeadNorms} gives them; not read where the sensitivity is not known
     * @param step that they are factors of
     */
    byte[] symbols(Tile tile, TokenSensitivity sensitivity, int[] positions, float[] norms, double step) {
        byte[] symbols = new byte[tile.tokens()];
        if (!sensitivity.isKnown()) {
            Arrays.fill(symbols, tile.region() == Region.WINDOW ? WINDOW : TokenScale.UNIT);
            return symbols;
        }
        Context context = contexts.get(tile.subCache());
        int heads = sensitivity.weights().length - TokenSensitivity.OTHERS;
        double share = ageShare(step);
        for (int t = 0; t < symbols.length; t++) {
            double attention = sensitivity.predict(share * (TokenSensitivity.age(context.end() - positions[t]) - context.meanAge()), norms, t * heads);
            symbols[t] = TokenScale.symbol(-STRENGTH / Math.log(2) * attention);
        }
        return symbols;
    }

    private static double ageShare(double step) {
        double coarseness = StrictMath.log(step / FINE) / StrictMath.log(COARSE / FINE);
        return AGE_SHARE + (1 - AGE_SHARE) * Math.clamp(coarseness, 0, 1);
    }
}
