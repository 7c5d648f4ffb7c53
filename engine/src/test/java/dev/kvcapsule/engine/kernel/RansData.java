package dev.kvcapsule.engine.kernel;

import java.util.SplittableRandom;

/** Kinds of symbols for the entropy coder. */
enum RansData {
    ONE_SYMBOL,
    TWO_SYMBOLS,
    RARE,
    SKEWED,
    UNIFORM,
    PERIODIC;

    /** Models with {@code period} contexts, of which at most 64 differ, that can code every symbol of this kind. */
    record Models(RansTables tables, RansContexts contexts) {}

    byte[] symbols(int n, int period, SplittableRandom random) {
        byte[] symbols = new byte[n];
        for (int i = 0; i < n; i++) {
            symbols[i] = (byte) draw(random, i % period);
        }
        return symbols;
    }

    private int draw(SplittableRandom random, int phase) {
        return switch (this) {
            case ONE_SYMBOL -> 200;
            case TWO_SYMBOLS -> random.nextInt(4) == 0 ? 255 : 0;
            case RARE -> random.nextInt(5000) == 0 ? random.nextInt(256) : 7;
            case SKEWED -> (int) Math.abs(random.nextGaussian() * 9);
            case UNIFORM -> random.nextInt(256);
            case PERIODIC -> phase * 37 + (int) (random.nextGaussian() * 3);
        };
    }

    /** The models that code just these symbols best. */
    static Models models(byte[] symbols, int period, SplittableRandom random) {
        RansContexts contexts = contexts(period, random);
        return new Models(RansTables.fromHistograms(histograms(symbols, contexts)), contexts);
    }

    private static RansContexts contexts(int period, SplittableRandom random) {
        byte[] map = new byte[period];
        for (int i = 0; i < period; i++) {
            map[i] = (byte) (i < RansTables.MAX_TABLES ? i : random.nextInt(RansTables.MAX_TABLES));
        }
        return RansContexts.of(map);
    }

    /** One histogram for each table that the contexts name. */
    static long[][] histograms(byte[] symbols, RansContexts contexts) {
        long[][] histograms = new long[contexts.largestTable() + 1][RansTables.SYMBOLS];
        for (int i = 0; i < symbols.length; i++) {
            histograms[contexts.table(i)][symbols[i] & 0xff]++;
        }
        return histograms;
    }

    /** Bits of information in the symbols of a histogram, given how often each occurs. */
    static double entropyBits(long[] histogram) {
        long total = 0;
        for (long count : histogram) {
            total += count;
        }
        double bits = 0;
        for (long count : histogram) {
            bits += count == 0 ? 0 : count * Math.log((double) total / count) / Math.log(2);
        }
        return bits;
    }
}
