package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A step of the plan.
 *
 * @param step what is to be done
 * @param status such as done, doing, open
 * @param evidence what shows that it is done
 */
public record Step(String step, String status, Optional<String> evidence) {
    static Step read(Fields fields) throws MalformedDataException {
        return new Step(fields.required("step"), fields.text("status").orElse("open"), fields.text("evidence"));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("step", step);
        map.put("status", status);
        evidence.ifPresent(text -> map.put("evidence", text));
        return map;
    }
}
