package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Something that is known to be wrong.
 *
 * @param issue what
 * @param severity how bad, in the user's words
 * @param since since when, in the user's words
 */
public record Issue(String issue, Optional<String> severity, Optional<String> since) {
    static Issue read(Fields fields) throws MalformedDataException {
        return new Issue(fields.required("issue"), fields.text("severity"), fields.text("since"));
    }

    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("issue", issue);
        severity.ifPresent(text -> map.put("severity", text));
        since.ifPresent(text -> map.put("since", text));
        return map;
    }
}
