package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.cache.Rope;

/**
 * How a second moment of queries looks from the keys. An error e made on a key before RoPE, at distance D from the query q, moves the score by
 * (R_D q)'e, where R_D turns pair i by D f_i. So keys at all distances see the mean of R_D C R_D' over D = 1..N, where C is the moment of the
 * unrotated queries. Taken in closed form: the 2 x 2 block of C between pairs i and j is the sum of a part that turns by D (f_i - f_j) and a part
 * that mirrors and turns by D (f_i + f_j), and the mean of a turn by D w is a geometric series.
 */
final class RelativeRotation {
    private final Rope rope;
    private final int distances;

    /** @param distances N, at least 1 */
    RelativeRotation(Rope rope, int distances) {
        if (distances < 1) {
            throw new IllegalArgumentException(distances + " distances");
        }
        this.rope = rope;
        this.distances = distances;
    }

    /** Channel of a pair's first or second component. */
    private int channel(int pair, int component) {
        return rope.pairing() == Rope.Pairing.INTERLEAVED ? 2 * pair + component : pair + component * (rope.dims() / 2);
    }

    /**
     * The mean, in place.
     *
     * @param moment [dim][dim], symmetric, in unrotated channels
     * @param dim channels, at least those that are turned; the rest stay as they are
     */
    void average(double[] moment, int dim) {
        double[] frequencies = rope.frequencies();
        int pairs = frequencies.length;
        for (int i = 0; i < pairs; i++) {
            for (int j = 0; j < pairs; j++) {
                averageBlock(moment, dim, i, j, frequencies[i], frequencies[j]);
            }
            for (int unturned = rope.dims(); unturned < dim; unturned++) {
                averageColumn(moment, dim, i, unturned, frequencies[i]);
            }
        }
    }

    private void averageBlock(double[] m, int dim, int i, int j, double fi, double fj) {
        int row0 = channel(i, 0) * dim;
        int row1 = channel(i, 1) * dim;
        int column0 = channel(j, 0);
        int column1 = channel(j, 1);
        double a = m[row0 + column0];
        double b = m[row0 + column1];
        double c = m[row1 + column0];
        double d = m[row1 + column1];
        double[] turn = meanTurn(fi - fj);
        double[] mirror = meanTurn(fi + fj);
        double turnRe = product(turn, (a + d) / 2, (c - b) / 2, 0);
        double turnIm = product(turn, (a + d) / 2, (c - b) / 2, 1);
        double mirrorRe = product(mirror, (a - d) / 2, (c + b) / 2, 0);
        double mirrorIm = product(mirror, (a - d) / 2, (c + b) / 2, 1);
        m[row0 + column0] = turnRe + mirrorRe;
        m[row0 + column1] = mirrorIm - turnIm;
        m[row1 + column0] = mirrorIm + turnIm;
        m[row1 + column1] = turnRe - mirrorRe;
    }

    private void averageColumn(double[] m, int dim, int pair, int column, double frequency) {
        int c0 = channel(pair, 0);
        int c1 = channel(pair, 1);
        double x = m[c0 * dim + column];
        double y = m[c1 * dim + column];
        double[] turn = meanTurn(frequency);
        m[c0 * dim + column] = m[column * dim + c0] = product(turn, x, y, 0);
        m[c1 * dim + column] = m[column * dim + c1] = product(turn, x, y, 1);
    }

    /** Real (0) or imaginary (1) part of z (x + iy). */
    private static double product(double[] z, double x, double y, int part) {
        return part == 0 ? z[0] * x - z[1] * y : z[0] * y + z[1] * x;
    }

    /** The mean of exp(iDw) over D = 1..N: exp(iw(N+1)/2) sin(Nw/2) / (N sin(w/2)). */
    private double[] meanTurn(double w) {
        double sine = Math.sin(w / 2);
        // A whole number of turns, or too slow to matter.
        if (Math.abs(sine) < 1e-12) {
            return new double[] {1, 0};
        }
        double size = Math.sin(distances * w / 2) / (distances * sine);
        double angle = w * (distances + 1) / 2;
        return new double[] {size * Math.cos(angle), size * Math.sin(angle)};
    }
}
