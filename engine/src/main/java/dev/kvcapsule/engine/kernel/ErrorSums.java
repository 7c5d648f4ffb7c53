package dev.kvcapsule.engine.kernel;

/**
 * The sums of a tensor's error, over a piece of it. They stand in a capsule's trailer: their order is part of its bytes, and the same wherever they are added up. Plain loops over small arrays: C2
 * vectorizes them, and they are fast from the start.
 */
public final class ErrorSums {
    private ErrorSums() {}

    /**
     * Sum of (x - y)^2 as eight sums side by side: a single one would have to be added in order, one element at a time.
     *
     * @param n elements of both arrays that count, from the first one on
     */
    public static double squaredErrors(float[] x, float[] y, int n) {
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
        int i = 0;
        for (; i + 8 <= n; i += 8) {
            float d0 = x[i] - y[i], d1 = x[i + 1] - y[i + 1], d2 = x[i + 2] - y[i + 2], d3 = x[i + 3] - y[i + 3];
            float d4 = x[i + 4] - y[i + 4], d5 = x[i + 5] - y[i + 5], d6 = x[i + 6] - y[i + 6], d7 = x[i + 7] - y[i + 7];
            s0 += d0 * d0;
            s1 += d1 * d1;
            s2 += d2 * d2;
            s3 += d3 * d3;
            s4 += d4 * d4;
            s5 += d5 * d5;
            s6 += d6 * d6;
            s7 += d7 * d7;
        }
        double sum = ((double) s0 + s1) + ((double) s2 + s3) + ((double) s4 + s5) + ((double) s6 + s7);
        for (; i < n; i++) {
            sum += (double) (x[i] - y[i]) * (x[i] - y[i]);
        }
        return sum;
    }

    /**
     * Sum of x^2 as four sums side by side.
     *
     * @param n elements that count, from the first one on
     */
    public static double squares(float[] x, int n) {
        float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        int i = 0;
        for (; i + 4 <= n; i += 4) {
            s0 += x[i] * x[i];
            s1 += x[i + 1] * x[i + 1];
            s2 += x[i + 2] * x[i + 2];
            s3 += x[i + 3] * x[i + 3];
        }
        double sum = ((double) s0 + s1) + ((double) s2 + s3);
        for (; i < n; i++) {
            sum += (double) x[i] * x[i];
        }
        return sum;
    }
}
