package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What was measured, and where.
 *
 * @param states in the order given, at least one
 * @param origin where and how
 */
public record FidelityReport(List<StateFidelity> states, ReportOrigin origin) {
    /** Copies the list. */
    public FidelityReport {
        states = List.copyOf(states);
        if (states.isEmpty()) {
            throw new IllegalArgumentException("a report of no state");
        }
    }

    /** Means over the states of those codecs that every state was measured with, by ratio. */
    public List<Measurement> means() {
        Map<CodecSpec, List<Measurement>> byCodec = new LinkedHashMap<>();
        for (StateFidelity state : states) {
            state.measurements().forEach(m -> byCodec.computeIfAbsent(m.codec(), codec -> new ArrayList<>()).add(m));
        }
        return byCodec.values().stream().filter(list -> list.size() == states.size()).map(Measurement::mean).sorted(Measurement.BY_RATIO).toList();
    }
}
