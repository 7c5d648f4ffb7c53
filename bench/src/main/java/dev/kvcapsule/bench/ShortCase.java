package dev.kvcapsule.bench;

import java.io.IOException;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.DoubleSupplier;

/**
 * One line of the short benchmark.
 *
 * @param name what is measured
 * @param symbols whether speed is counted in symbols of one byte, not in bytes of 16-bit floats
 * @param owner the benchmark it belongs to
 * @param step one call of a benchmark method
 * @param ratio its compression ratio once it is set up; null if it has none
 * @param targets what it has to reach
 */
record ShortCase(String name, boolean symbols, TileBenchmark owner, Step step, DoubleSupplier ratio, List<Target> targets) {
    /** One call of a benchmark method. */
    interface Step {
        void run(Amount amount) throws IOException;
    }

    static ShortCase of(String name, TileBenchmark owner, Step step, Target... targets) {
        return new ShortCase(name, false, owner, step, null, List.of(targets));
    }

    static ShortCase ofSymbols(String name, TileBenchmark owner, Step step, DoubleSupplier ratio, Target... targets) {
        return new ShortCase(name, true, owner, step, ratio, List.of(targets));
    }

    ShortCase withRatio(DoubleSupplier ratio) {
        return new ShortCase(name, symbols, owner, step, ratio, targets);
    }

    String unit() {
        return symbols ? "Gsym/s" : "GB/s";
    }

    OptionalDouble compressionRatio() {
        return ratio == null ? OptionalDouble.empty() : OptionalDouble.of(ratio.getAsDouble());
    }
}
