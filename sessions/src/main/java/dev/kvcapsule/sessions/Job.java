package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A job that was submitted somewhere and goes on while the session pauses.
 *
 * @param id as its system calls it
 * @param system where it runs, such as slurm
 * @param command what was submitted
 * @param submittedAt when
 * @param lastState what its system said of it last
 * @param lastPolledAt when that was
 * @param log path of its log
 */
public record Job(String id, Optional<String> system, Optional<String> command, Optional<Instant> submittedAt, Optional<String> lastState, Optional<Instant> lastPolledAt,
        Optional<String> log) {
    static Job read(Fields fields) throws MalformedDataException {
        return new Job(fields.required("id"), fields.text("system"), fields.text("command"), fields.time("submitted_at"), fields.text("last_state"), fields.time("last_polled_at"),
                fields.text("log"));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("id", id);
        system.ifPresent(text -> map.put("system", text));
        command.ifPresent(text -> map.put("command", text));
        submittedAt.ifPresent(time -> map.put("submitted_at", time.toString()));
        lastState.ifPresent(text -> map.put("last_state", text));
        lastPolledAt.ifPresent(time -> map.put("last_polled_at", time.toString()));
        log.ifPresent(text -> map.put("log", text));
        return map;
    }
}
