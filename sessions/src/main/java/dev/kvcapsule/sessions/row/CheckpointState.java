package dev.kvcapsule.sessions.row;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What an agent wrote down at its last checkpoint.
 *
 * @param state its structured state
 * @param lastTraceId the trace that it was in
 * @param lastSpanId the span
 * @param at when
 * @param schemaVersion of the state
 */
public record CheckpointState(Map<String, Object> state, Optional<String> lastTraceId, Optional<String> lastSpanId, Instant at, long schemaVersion) {
    /** Reads what {@link #toMap} made. */
    public static CheckpointState read(Fields fields) throws MalformedDataException {
        return new CheckpointState(fields.any("state"), fields.text("last_trace_id"), fields.text("last_span_id"), fields.time("checkpoint_at").orElse(Instant.EPOCH),
                fields.number("schema_version").orElse(0));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("state", state);
        map.put("last_trace_id", lastTraceId.orElse(null));
        map.put("last_span_id", lastSpanId.orElse(null));
        map.put("checkpoint_at", at.toString());
        map.put("schema_version", schemaVersion);
        return map;
    }
}
