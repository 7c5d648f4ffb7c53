package dev.kvcapsule.serving.report;

import dev.kvcapsule.serving.llamacpp.runtime.CacheJudge.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** A kind of damage that a plot shows. NaN where it was not measured. */
enum Metric {
    CONTINUATION("What comes next in the text", "mean KL divergence, nats", "KL", m -> m.continuation().map(Verdict::meanKl).orElse(Double.NaN)),
    RECALL("Recall: the context said again", "mean KL divergence, nats", "KL", m -> m.recall().map(Verdict::meanKl).orElse(Double.NaN)),
    ATTENTION("Attention outputs", "relative error of attention outputs", "error", Measurement::attentionError),
    KEYS("Keys", "relative error of K", "error", Measurement::keyError);

    private final String title;
    private final String axis;
    private final String symbol;
    private final ToDoubleFunction<Measurement> value;

    Metric(String title, String axis, String symbol, ToDoubleFunction<Measurement> value) {
        this.title = title;
        this.axis = axis;
        this.symbol = symbol;
        this.value = value;
    }

    String title() {
        return title;
    }

    String axis() {
        return axis;
    }

    String symbol() {
        return symbol;
    }

    double of(Measurement measurement) {
        return value.applyAsDouble(measurement);
    }

    /** What a model said if it was asked, else errors of what all codecs have. */
    static List<Metric> shown(List<Measurement> measurements) {
        List<Metric> shown = new ArrayList<>();
        for (Metric metric : List.of(CONTINUATION, RECALL)) {
            if (measurements.stream().anyMatch(m -> !Double.isNaN(metric.of(m)))) {
                shown.add(metric);
            }
        }
        if (shown.isEmpty()) {
            shown.add(measurements.stream().anyMatch(m -> Double.isNaN(ATTENTION.of(m))) ? KEYS : ATTENTION);
        }
        return shown;
    }
}
