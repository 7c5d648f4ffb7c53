package dev.kvcapsule.serving.report;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What figures are worth nothing without: command, date, machine, versions.
 *
 * @param facts what is shown, by its caption, in order
 */
public record ReportOrigin(Map<String, String> facts) {
    /** Keeps the order. */
    public ReportOrigin {
        facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
    }
}
