package dev.kvcapsule.serving.report;

import java.util.ArrayList;
import java.util.List;

/**
 * A logarithmic axis, with ticks at 1, 2 and 5 times powers of ten.
 *
 * @param low smallest value shown
 * @param high largest value shown
 * @param from where the smallest is drawn
 * @param to where the largest is drawn
 */
record LogAxis(double low, double high, double from, double to) {
    /** How much of the axis is left free at either end. */
    private static final double MARGIN = 0.07;

    /** Narrowest range: a factor that always has two ticks. */
    private static final double MIN_FACTOR = 5;
    private static final int MANY_TICKS = 10;
    private static final int[] STEPS = {1, 2, 5};

    /** An axis for those values, all above 0; any range if there are none. */
    static LogAxis of(double[] values, double from, double to) {
        double low = Double.POSITIVE_INFINITY;
        double high = 0;
        for (double value : values) {
            low = Math.min(low, value);
            high = Math.max(high, value);
        }
        if (high == 0) {
            return new LogAxis(0.1, 10, from, to);
        }
        if (high / low < MIN_FACTOR) {
            double widen = Math.sqrt(MIN_FACTOR / (high / low));
            low /= widen;
            high *= widen;
        }
        double margin = Math.pow(high / low, MARGIN);
        return new LogAxis(low / margin, high * margin, from, to);
    }

    /** Where a value is drawn. */
    double at(double value) {
        return from + (to - from) * Math.log(value / low) / Math.log(high / low);
    }

    List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        for (int exponent = (int) Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent++) {
            for (int step : STEPS) {
                // Parsed, so that 2e-3 is the double nearest to .002.
                double tick = Double.parseDouble(step + "e" + exponent);
                if (tick >= low && tick <= high) {
                    ticks.add(tick);
                }
            }
        }
        return ticks;
    }

    /** The ticks that are given a number: powers of ten alone if there are many. */
    List<Double> labelled() {
        List<Double> ticks = ticks();
        return ticks.size() <= MANY_TICKS ? ticks : ticks.stream().filter(tick -> Math.abs(Math.log10(tick) - Math.rint(Math.log10(tick))) < 1e-9).toList();
    }
}
