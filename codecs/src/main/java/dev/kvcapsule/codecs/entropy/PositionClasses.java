package dev.kvcapsule.codecs.entropy;

import dev.kvcapsule.engine.kernel.RansTables;
import java.util.Arrays;

/**
 * Groups positions whose symbols are distributed alike, so that each group gets a table of its own: Lloyd's algorithm with code length as the
 * distance, started from positions sorted by their mean symbol. Exact integer and fixed-order double arithmetic: the same on every machine.
 */
final class PositionClasses {
    private static final int ROUNDS = 3;

    /** A class must save about this many bytes to pay for its table. */
    private static final int TABLE_BYTES = 80;

    private static final double LOG_2 = StrictMath.log(2);

    private final byte[] map;
    private final long[][] histograms;

    private PositionClasses(byte[] map, long[][] histograms) {
        this.map = map;
        this.histograms = histograms;
    }

    /** Class of each position. */
    byte[] map() {
        return map;
    }

    /** Symbol counts of each class; every class has a position. */
    long[][] histograms() {
        return histograms;
    }

    /** The one symbol that occurs, or -1 if there are several. */
    int onlySymbol() {
        int only = -1;
        for (long[] histogram : histograms) {
            for (int s = 0; s < RansTables.SYMBOLS; s++) {
                if (histogram[s] > 0 && s != only) {
                    if (only >= 0) {
                        return -1;
                    }
                    only = s;
                }
            }
        }
        return only;
    }

    /** @param positions [position][256] symbol counts */
    static PositionClasses cluster(int[][] positions, int maxClasses) {
        int classes = Math.min(maxClasses, positions.length);
        long total = 0;
        for (int count : positions[0]) {
            total += count;
        }
        // Few symbols a position cannot pay for many tables.
        classes = Math.clamp(total * positions.length / (32L * TABLE_BYTES), 1, classes);
        byte[] map = start(positions, classes);
        long[][] histograms = sum(positions, map, classes);
        for (int round = 0; round < ROUNDS && classes > 1; round++) {
            assign(positions, costs(histograms), map);
            histograms = sum(positions, map, classes);
        }
        return compact(map, histograms);
    }

    private static byte[] start(int[][] positions, int classes) {
        long[] keys = new long[positions.length];
        for (int p = 0; p < positions.length; p++) {
            long weighted = 0;
            long count = 0;
            for (int s = 0; s < RansTables.SYMBOLS; s++) {
                // The sign bit says little of a float's size: bytes that differ in it alone count as one.
                weighted += (long) (s & 0x7f) * positions[p][s];
                count += positions[p][s];
            }
            keys[p] = (count == 0 ? 0 : (weighted << 16) / count) << 32 | p;
        }
        Arrays.sort(keys);
        byte[] map = new byte[positions.length];
        for (int rank = 0; rank < keys.length; rank++) {
            map[(int) keys[rank]] = (byte) ((long) rank * classes / keys.length);
        }
        return map;
    }

    private static long[][] sum(int[][] positions, byte[] map, int classes) {
        long[][] histograms = new long[classes][RansTables.SYMBOLS];
        for (int p = 0; p < positions.length; p++) {
            long[] histogram = histograms[map[p]];
            for (int s = 0; s < RansTables.SYMBOLS; s++) {
                histogram[s] += positions[p][s];
            }
        }
        return histograms;
    }

    /** Bits of each symbol in each class, with half a count added so that none is infinite: [symbol][class]. */
    private static float[][] costs(long[][] histograms) {
        float[][] costs = new float[RansTables.SYMBOLS][histograms.length];
        for (int c = 0; c < histograms.length; c++) {
            long total = 0;
            for (long count : histograms[c]) {
                total += count;
            }
            float ofNone = bits(0, total);
            for (int s = 0; s < RansTables.SYMBOLS; s++) {
                long count = histograms[c][s];
                costs[s][c] = count == 0 ? ofNone : bits(count, total);
            }
        }
        return costs;
    }

    private static float bits(long count, long total) {
        return (float) (-StrictMath.log((count + 0.5) / (total + RansTables.SYMBOLS / 2.0)) / LOG_2);
    }

    private static void assign(int[][] positions, float[][] costs, byte[] map) {
        int classes = costs[0].length;
        double[] bits = new double[classes];
        for (int p = 0; p < positions.length; p++) {
            Arrays.fill(bits, 0);
            for (int s = 0; s < RansTables.SYMBOLS; s++) {
                int count = positions[p][s];
                // Most symbols of a position never occur; they would add 0.
                if (count > 0) {
                    float[] cost = costs[s];
                    for (int c = 0; c < classes; c++) {
                        bits[c] += count * cost[c];
                    }
                }
            }
            double best = Double.POSITIVE_INFINITY;
            for (int c = 0; c < classes; c++) {
                if (bits[c] < best) {
                    best = bits[c];
                    map[p] = (byte) c;
                }
            }
        }
    }

    /** Drops classes that lost all their positions. */
    private static PositionClasses compact(byte[] map, long[][] histograms) {
        byte[] renumbered = new byte[histograms.length];
        Arrays.fill(renumbered, (byte) -1);
        byte next = 0;
        for (byte c : map) {
            if (renumbered[c] < 0) {
                renumbered[c] = next++;
            }
        }
        long[][] kept = new long[next][];
        for (int c = 0; c < histograms.length; c++) {
            if (renumbered[c] >= 0) {
                kept[renumbered[c]] = histograms[c];
            }
        }
        for (int p = 0; p < map.length; p++) {
            map[p] = renumbered[map[p]];
        }
        return new PositionClasses(map, kept);
    }
}
