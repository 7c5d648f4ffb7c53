package dev.kvcapsule.serving.report;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The codecs that no other beats in both ratio and damage. */
final class ParetoFrontier {
    private ParetoFrontier() {}

    static Set<Measurement> of(List<Measurement> measurements, Metric metric) {
        Set<Measurement> frontier = new HashSet<>();
        for (Measurement m : measurements) {
            if (!Double.isNaN(metric.of(m)) && measurements.stream().noneMatch(other -> beats(other, m, metric))) {
                frontier.add(m);
            }
        }
        return frontier;
    }

    private static boolean beats(Measurement a, Measurement b, Metric metric) {
        return a.ratio() >= b.ratio() && metric.of(a) <= metric.of(b) && (a.ratio() > b.ratio() || metric.of(a) < metric.of(b));
    }
}
