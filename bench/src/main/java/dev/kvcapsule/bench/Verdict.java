package dev.kvcapsule.bench;

import dev.kvcapsule.bench.ShortRunner.Series;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Whether a target is reached.
 *
 * @param name of the case
 * @param target what it had to reach
 * @param unit of its rate
 * @param value what it did reach
 */
record Verdict(String name, Target target, String unit, double value) {
    boolean reached() {
        return value >= target.least();
    }

    /** Every target of these cases but those that compare with a case that was not run. */
    static List<Verdict> of(Map<ShortCase, Series> measured) {
        List<Verdict> verdicts = new ArrayList<>();
        measured.forEach((one, series) -> {
            for (Target target : one.targets()) {
                value(target, series, measured).ifPresent(value -> verdicts.add(new Verdict(one.name(), target, one.unit(), value)));
            }
        });
        return verdicts;
    }

    private static Optional<Double> value(Target target, Series series, Map<ShortCase, Series> measured) {
        return switch (target.kind()) {
            case OF_COPY -> Optional.of(series.ofCopy());
            case RATE -> Optional.of(series.rate());
            case RATIO -> Optional.of(series.ratio());
            case TIMES -> measured.entrySet().stream().filter(e -> e.getKey().name().equals(target.other())).findFirst().map(e -> series.over(e.getValue().rates()));
        };
    }
}
